"""The pipeline of an experiment as boxes from top to bottom: what may be swapped, and what was; it runs no step."""

# pyright: reportUnknownMemberType=false

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.figures.picture import Picture, blank
from assets.figures.theme import Theme
from trainer.pipeline import Pipeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TIMES = re.compile(r" \[repeat x(\d+)")
ROW, GAP, PADDING = 1.0, 0.2, 0.2
INDENT, WIDTH = 0.5, 14.0


@dataclass(frozen=True)
class Box:
    """One step: its path and depth, how often it is repeated, whether exposed, what runs in it, what replaced it."""

    path: str
    depth: int
    times: int | None = None
    exposed: bool = False
    runs: str = ""
    replaced_by: str = ""

    @property
    def words(self) -> str:
        """Its name, and how often it runs if that is more than once."""
        name = self.path.rpartition(".")[2]
        return f"{name} × {self.times:,}" if self.times is not None else name


def exposure_diagram(boxes: Sequence[Box]) -> Picture:
    """Exposed steps outlined, overridden ones filled and named; what is inside an overridden step does not run."""
    return Picture("exposure", _alt(boxes), lambda theme: _draw(boxes, theme))


def boxes_of(pipeline: Pipeline, runs: Mapping[str, str], replaced: Mapping[str, str]) -> list[Box]:
    """The steps of a pipeline as declared, with what runs in them and what replaced them, by path."""
    drawn = pipeline.render("text").splitlines()[1:]
    boxes: list[Box] = []
    for line, step in zip(drawn, pipeline.steps(), strict=True):
        if any(step.path.startswith(f"{path}.") for path in replaced):
            continue
        depth, times = (len(line) - len(line.lstrip())) // 2 - 1, TIMES.search(line)
        found: dict[str, Any] = {"runs": runs.get(step.path, ""), "replaced_by": replaced.get(step.path, "")}
        boxes.append(Box(step.path, depth, int(times[1]) if times else None, step.exposed, **found))
    return boxes


def _alt(boxes: Sequence[Box]) -> str:
    exposed = [box.path for box in boxes if box.exposed]
    replaced = [f"{box.path} by {box.replaced_by}" for box in boxes if box.replaced_by]
    return (
        f"The pipeline's {len(boxes)} steps from top to bottom. Exposed: {', '.join(exposed) or 'none'}. "
        f"Overridden: {'; '.join(replaced) or 'none'}."
    )


def _draw(boxes: Sequence[Box], theme: Theme) -> "Figure":
    spans = _spans([box.depth for box in boxes])
    height = max((bottom for _, bottom in spans), default=0.0)
    figure = blank(8.4, 0.27 * (height + 1.6) + 0.2, (0.1, 0.1, 0.1, 0.1))
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(-0.2, WIDTH + 0.2)
    axes.set_ylim(height + 1.6, -0.4)
    for box, (top, bottom) in zip(boxes, spans, strict=True):
        _box(axes, box, top, bottom, theme)
    _key(axes, height + 0.7, theme)
    return figure


def _spans(depths: Sequence[int]) -> list[tuple[float, float]]:
    """Top and bottom of each step's box; a box ends below all that is inside it."""
    tops: list[float] = []
    bottoms: list[float] = []
    here, around = 0.0, list[int]()
    for place, depth in enumerate([*depths, 0]):
        while around and depths[around[-1]] >= depth:
            inner = around.pop()
            here += 0.0 if inner == place - 1 else PADDING
            bottoms[inner] = here - GAP
        if place < len(depths):
            tops.append(here)
            bottoms.append(here)
            around.append(place)
            here += ROW
    return list(zip(tops, bottoms, strict=True))


def _box(axes: "Axes", box: Box, top: float, bottom: float, theme: Theme) -> None:
    """The step's frame around all that it holds, its name, and at the right what runs in it."""
    left, right, middle = box.depth * INDENT, WIDTH - box.depth * INDENT * 0.35, top + (ROW - GAP) / 2
    axes.add_patch(_rounded(left, top, right - left, bottom - top, **_style(box, theme)))
    color = theme.on_overridden if box.replaced_by else theme.ink if box.exposed else theme.faint
    weight = "bold" if box.exposed else "normal"
    words = f"overridden by {box.replaced_by}" if box.replaced_by else box.runs
    axes.text(left + 0.2, middle, box.words, va="center", fontsize=8.5, color=color, weight=weight)
    axes.text(right - 0.2, middle, words, va="center", ha="right", fontsize=8, color=color)


def _style(box: Box, theme: Theme) -> dict[str, Any]:
    if box.replaced_by:
        return {"facecolor": theme.overridden, "edgecolor": theme.overridden, "linewidth": 1.6}
    if box.exposed:
        return {"facecolor": "none", "edgecolor": theme.agent, "linewidth": 1.6}
    return {"facecolor": "none", "edgecolor": theme.rule, "linewidth": 0.8}


def _rounded(left: float, top: float, width: float, height: float, **style: Any) -> Any:
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch((left, top), width, height, boxstyle="round,pad=0,rounding_size=0.18", **style)


def _key(axes: "Axes", row: float, theme: Theme) -> None:
    """What outline and filling say."""
    samples = (("exposed: may be swapped", "x", ""), ("overridden in this run", "x", "x"), ("fixed", "", ""))
    for place, (words, exposed, replaced) in enumerate(samples):
        box = Box("", 0, exposed=bool(exposed), replaced_by=replaced)
        left = place * 4.6
        axes.add_patch(_rounded(left, row, 0.5, 0.6, **_style(box, theme)))
        axes.text(left + 0.7, row + 0.3, words, va="center", fontsize=8, color=theme.ink)
