"""An episode of Gymnasium's CartPole as cart and pole; it reads the recorded observations only."""

import math
from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from assets.replays.canvas import ACCENT, FAINT, FLOOR, INK, LINE, SMOOTH, WALL, blank, caption, drawing, font
from assets.replays.film import Film, gif_of, sampled

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

WIDTH, HEIGHT, MARGIN, STRIP = 640, 300, 14, 50
TRACK = 2.4  # the episode ends beyond this, on both sides
TILT = 12 * math.pi / 180  # and where the pole leans further than this
POLE: tuple[int, int, int] = (230, 159, 80)


def cart_pole_film(recording: Mapping[str, Any]) -> Film:
    """Steps evenly spaced over the episode, with the push of each and the lean at which it would end."""
    states, actions = recording["observations"], recording["actions"]
    rewards = [0.0, *accumulate(map(float, recording["rewards"]))]
    steps = len(actions)
    frames: list[Image] = []
    for step in sampled(steps):
        position, _, lean, _ = states[step]
        image = _scene(float(position), float(lean), actions[min(step, steps - 1)] if step < steps else None)
        caption(image, MARGIN, HEIGHT - STRIP + 8, step, steps, rewards[step])
        frames.append(image)
    ended = "the pole fell or the cart left the track" if recording["terminated"] else "the pole still stood"
    alt = f"Animation: a cart balances a pole over {steps} steps, reward {rewards[-1]:.3g}; at the end {ended}."
    return Film(gif_of(frames), alt)


def _scene(position: float, lean: float, action: int | None) -> "Image":
    from PIL import Image

    large = Image.new("RGB", ((WIDTH - 2 * MARGIN) * SMOOTH, (HEIGHT - STRIP - MARGIN) * SMOOTH), FLOOR)
    _paint(drawing(large), large.width, large.height, position, lean, action)
    image = blank(WIDTH, HEIGHT)
    image.paste(large.reduce(SMOOTH), (MARGIN, MARGIN))
    draw = drawing(image)
    draw.text((MARGIN + 10, MARGIN + 8), f"position {position:+.2f} of ±{TRACK}", FAINT, font(12))
    words = f"lean {math.degrees(lean):+.1f}° of ±12°"
    draw.text((WIDTH - MARGIN - 10, MARGIN + 8), words, FAINT, font(12), anchor="ra")
    return image


def _paint(draw: "ImageDraw", width: int, height: int, position: float, lean: float, action: int | None) -> None:
    """Track with its ends, the cone in which the pole may lean, cart, pole, and an arrow for the push."""
    unit, ground = width / (2 * TRACK + 0.8), height * 0.86
    x = width / 2 + position * unit
    top = ground - unit * 0.3
    draw.line((0, ground, width, ground), WALL, SMOOTH * 2)
    for end in (-TRACK, TRACK):
        place = width / 2 + end * unit
        draw.line((place, ground - unit * 0.25, place, ground), WALL, SMOOTH * 2)
    for side in (-TILT, TILT):
        draw.line((x, top, x + math.sin(side) * unit * 1.25, top - math.cos(side) * unit * 1.25), LINE, SMOOTH)
    tip = (x + math.sin(lean) * unit * 1.2, top - math.cos(lean) * unit * 1.2)
    draw.rounded_rectangle((x - unit * 0.3, top, x + unit * 0.3, ground - unit * 0.04), unit * 0.05, INK)
    draw.line((x, top, *tip), POLE, int(unit * 0.09))
    for center in ((x, top), tip):
        _disc(draw, center, unit * 0.045, POLE)
    if action is not None:
        _arrow(draw, x, (top + ground) / 2, unit, 1 if action else -1)


def _disc(draw: "ImageDraw", center: tuple[float, float], radius: float, color: tuple[int, int, int]) -> None:
    x, y = center
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), color)


def _arrow(draw: "ImageDraw", x: float, y: float, unit: float, side: int) -> None:
    start, end = x + side * unit * 0.36, x + side * unit * 0.6
    draw.line((start, y, end, y), ACCENT, SMOOTH * 3)
    head = unit * 0.07
    draw.polygon([(end + side * head, y), (end, y - head), (end, y + head)], ACCENT)
