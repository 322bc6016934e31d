"""A figure as PNG or SVG, for light and for dark pages, the same bytes for the same figure; it writes no file."""

# matplotlib types its settings and canvases only in part.
# pyright: reportUnknownMemberType=false

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

from assets.figures.theme import DARK, LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 110
COLOR = re.compile(rb"#[0-9a-f]{6}")
Margins = tuple[float, float, float, float]


@dataclass(frozen=True)
class Picture:
    """One figure: its name as a file, and in words what is seen, for those who do not see it."""

    name: str
    alt: str
    draw: Callable[[Theme], "Figure"]
    _drawn: "dict[Theme, Figure]" = field(default_factory=lambda: {}, repr=False, compare=False)
    _written: dict[str, bytes] = field(default_factory=dict[str, bytes], repr=False, compare=False)

    def png(self, theme: Theme = LIGHT) -> bytes:
        """A PNG of 256 colors, a third as large: pictures travel as base64 inside metadata."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from PIL import Image

        buffer = BytesIO()
        with _settings(theme):
            canvas = FigureCanvasAgg(self._figure(theme))
            canvas.draw()
            picture = Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba()))
        picture.convert("RGB").quantize(256).save(buffer, format="png", optimize=True)
        return buffer.getvalue()

    def svg(self, theme: Theme = LIGHT) -> bytes:
        """An SVG without a date, its letters as shapes, so that it looks the same everywhere.

        It is drawn once, in light colors; another theme only exchanges them, each for the one of the same meaning.
        """
        if "svg" not in self._written:
            self._written["svg"] = self._light_svg()
        return self._written["svg"] if theme == LIGHT else recolored(self._written["svg"], theme)

    def _light_svg(self) -> bytes:
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        buffer = BytesIO()
        with _settings(LIGHT):
            FigureCanvasSVG(self._figure(LIGHT)).print_svg(buffer, metadata={"Date": None, "Creator": None})
        return buffer.getvalue()

    def _figure(self, theme: Theme) -> "Figure":
        """Drawn once, for whatever is written of it in whatever order: an SVG leaves another resolution behind."""
        if theme not in self._drawn:
            self._drawn[theme] = self.draw(theme)
        self._drawn[theme].dpi = DOTS_PER_INCH
        return self._drawn[theme]

    def files(self) -> dict[str, bytes]:
        """The figure as files: PNG, SVG, and the SVG for dark pages."""
        return {f"{self.name}.png": self.png(), f"{self.name}.svg": self.svg(), f"{self.name}_dark.svg": self.svg(DARK)}


def recolored(svg: bytes, theme: Theme) -> bytes:
    """An SVG of light colors with those of another theme."""
    exchanged = {one.encode(): other.encode() for one, other in zip(LIGHT.colors, theme.colors, strict=True)}
    return COLOR.sub(lambda found: exchanged.get(found[0], found[0]), svg)


def blank(width: float, height: float, margins: Margins | None = None) -> "Figure":
    """An empty figure, in inches; its canvas is chosen when it is written, so no display is ever looked for.

    `margins` are left, right, bottom and top in inches; without them they are measured, which takes twice as long.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if margins is None:
        return Figure((width, height), DOTS_PER_INCH, layout=ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.1))
    figure, (left, right, bottom, top) = Figure((width, height), DOTS_PER_INCH), margins
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
    return figure


def _settings(theme: Theme) -> "AbstractContextManager[None]":
    import matplotlib

    settings: Any = theme.settings()
    return matplotlib.rc_context(settings)
