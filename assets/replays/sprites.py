"""The signs of what stands and moves in an arena: shape and color both tell them apart; it knows no map."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from assets.replays.canvas import PAPER, SMOOTH, Color, drawing

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

# Colors after Okabe and Ito (2008), which the color-blind tell apart.
OBJECTS: dict[str, tuple[str, Color]] = {
    "mine": ("diamond", (213, 120, 50)),
    "generator": ("square", (86, 180, 233)),
    "altar": ("triangle", (240, 140, 200)),
    "laser_maker": ("cross", (230, 220, 90)),
    "armory": ("hexagon", (60, 190, 150)),
}
CARRIED: dict[str, Color] = {
    "heart": (240, 140, 200),
    "battery": (86, 180, 233),
    "ore": (213, 120, 50),
    "nothing": (245, 247, 250),
}
NAMES = {
    "mine": "mine: gives ore",
    "generator": "generator: ore → battery",
    "altar": "altar: battery → heart",
    "laser_maker": "laser maker",
    "armory": "armor maker",
}
UNKNOWN = ("square", (140, 140, 150))


@cache
def object_sign(kind: str, size: int) -> "Image":
    """The sign of a thing on the map, `size` pixels square, transparent around; a grey square for an unknown kind."""
    shape, color = OBJECTS.get(kind, UNKNOWN)
    return _sign(size, lambda draw, full: _draw_shape(draw, shape, color, full))


@cache
def agent_sign(carried: str, size: int) -> "Image":
    """A disc in the color of the best that the agent carries, with a ring that parts it from what it stands beside."""

    def disc(draw: "ImageDraw", full: int) -> None:
        edge = full * 0.12
        draw.ellipse((edge, edge, full - edge, full - edge), CARRIED[carried], PAPER, max(full // 14, 1))
        if carried == "nothing":
            return
        center, dot = full / 2, full * 0.11
        draw.ellipse((center - dot, center - dot, center + dot, center + dot), CARRIED["nothing"])

    return _sign(size, disc)


def _sign(size: int, paint: "Callable[[ImageDraw, int], None]") -> "Image":
    from PIL import Image

    large = Image.new("RGBA", (size * SMOOTH, size * SMOOTH), (0, 0, 0, 0))
    paint(drawing(large), size * SMOOTH)
    return large.resize((size, size), Image.Resampling.LANCZOS)


def _draw_shape(draw: "ImageDraw", shape: str, color: Color, full: int) -> None:
    if shape == "square":
        draw.rounded_rectangle((full * 0.15, full * 0.15, full * 0.85, full * 0.85), full * 0.1, color)
    else:
        draw.polygon([(x * full, y * full) for x, y in _POLYGONS[shape]], color)


_POLYGONS: dict[str, tuple[tuple[float, float], ...]] = {
    "diamond": ((0.5, 0.05), (0.95, 0.5), (0.5, 0.95), (0.05, 0.5)),
    "triangle": ((0.5, 0.06), (0.95, 0.9), (0.05, 0.9)),
    "hexagon": ((0.28, 0.1), (0.72, 0.1), (0.95, 0.5), (0.72, 0.9), (0.28, 0.9), (0.05, 0.5)),
    "cross": (
        (0.35, 0.08), (0.65, 0.08), (0.65, 0.35), (0.92, 0.35), (0.92, 0.65), (0.65, 0.65),
        (0.65, 0.92), (0.35, 0.92), (0.35, 0.65), (0.08, 0.65), (0.08, 0.35), (0.35, 0.35),
    ),
}  # fmt: skip
