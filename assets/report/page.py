"""Turns a template and its values into one self-contained page; every value is escaped, and nothing is loaded later."""

import base64
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from assets.figures import DARK, LIGHT, Picture

if TYPE_CHECKING:
    from jinja2 import Environment

LARGEST_SVG = 300_000  # bytes; beyond, a figure is embedded as PNG


@dataclass(frozen=True)
class Figure:
    """A picture in a page: a data address for light and for dark pages, and what it shows in words."""

    title: str
    alt: str
    light: str
    dark: str
    notes: tuple[str, ...] = ()


def figure_of(title: str, picture: Picture, notes: tuple[str, ...] = ()) -> Figure:
    """The picture embedded twice, of which a page shows one."""
    light, dark = (_drawn(picture, theme is DARK) for theme in (LIGHT, DARK))
    return Figure(title, picture.alt, light, dark, notes)


def embedded(content: bytes, kind: str) -> str:
    """A data address, `data:image/gif;base64,…`."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def rendered(template: str, **values: Any) -> str:
    """The page; a value that the template needs and was not given is an error."""
    return _templates().get_template(template).render(light=LIGHT, dark=DARK, **values)


def _drawn(picture: Picture, dark: bool) -> str:
    theme = DARK if dark else LIGHT
    svg = picture.svg(theme)
    return embedded(svg, "image/svg+xml") if len(svg) <= LARGEST_SVG else embedded(picture.png(theme), "image/png")


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("assets.report", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
