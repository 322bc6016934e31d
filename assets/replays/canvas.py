"""The paper of every film: colors, fonts and the strip of words under the picture; it knows no environment."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

Color = tuple[int, int, int]
PAPER: Color = (23, 27, 36)
FLOOR: Color = (34, 40, 53)
LINE: Color = (44, 51, 66)
WALL: Color = (88, 97, 116)
INK: Color = (236, 239, 245)
FAINT: Color = (164, 173, 190)
ACCENT: Color = (110, 168, 255)
SMOOTH = 4  # shapes are drawn this many times larger and then reduced


@cache
def font(size: int) -> "FreeTypeFont":
    """The font that matplotlib brings along, so that the same film has the same bytes on every machine."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def blank(width: int, height: int) -> "Image":
    """Empty paper."""
    from PIL import Image

    return Image.new("RGB", (width, height), PAPER)


def drawing(image: "Image") -> "ImageDraw":
    """What draws on it."""
    from PIL import ImageDraw

    return ImageDraw.Draw(image)


def caption(image: "Image", left: int, top: int, step: int, steps: int, reward: float) -> None:
    """The step, the reward so far, and a bar for how far the episode is, between `left` and the right margin."""
    draw, right = drawing(image), image.width - left
    draw.text((left, top), f"step {step} of {steps}", INK, font(14))
    draw.text((right, top), f"reward so far {reward:.2f}", INK, font(14), anchor="ra")
    draw.rectangle((left, top + 25, right, top + 28), LINE)
    if step:
        draw.rectangle((left, top + 25, left + (right - left) * step / max(steps, 1), top + 28), ACCENT)
