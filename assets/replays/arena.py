"""An episode of the MettaGrid arena from above: walls, makers, agents with what they carry; it reads a replay only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from assets.replays.canvas import ACCENT, FAINT, FLOOR, INK, LINE, WALL, blank, caption, drawing, font
from assets.replays.film import Film, gif_of, sampled
from assets.replays.recording import Timeline
from assets.replays.sprites import CARRIED, NAMES, agent_sign, object_sign

if TYPE_CHECKING:
    from PIL.Image import Image

BOARD = 462  # pixels of the map's longer side, about
MARGIN, LEGEND, STRIP = 14, 196, 50
Place = tuple[int, int]


def arena_film(recording: Mapping[str, Any]) -> Film:
    """Steps evenly spaced over the episode; between two frames an agent's way is a line."""
    board = _Board.of(recording)
    steps = sampled(board.steps)
    frames = [board.frame(step, before) for step, before in zip(steps, [0, *steps], strict=False)]
    alt = (
        f"Animation: {len(board.agents)} agents in a {board.width} by {board.height} arena over {board.steps} steps, "
        f"ending with a mean reward of {board.reward(board.steps):.3g} per agent."
    )
    return Film(gif_of(frames), alt)


@dataclass(frozen=True)
class _Agent:
    place: Timeline
    inventory: Timeline
    reward: Timeline


@dataclass(frozen=True)
class _Board:
    width: int
    height: int
    steps: int
    items: Sequence[str]
    things: Sequence[tuple[str, Place]]
    agents: Sequence[_Agent]

    @classmethod
    def of(cls, recording: Mapping[str, Any]) -> "_Board":
        width, height = recording["map_size"]
        objects = recording["objects"]
        agents = [_agent(each) for each in objects if each.get("is_agent")]
        things = [(each["type_name"], _first_place(each)) for each in objects if not each.get("is_agent")]
        return cls(width, height, int(recording["max_steps"]), recording["item_names"], things, agents)

    @property
    def cell(self) -> int:
        """Pixels of a cell."""
        return max(BOARD // max(self.width, self.height), 2)

    def reward(self, step: int) -> float:
        """Mean over agents of what each has earned until then."""
        return sum(float(agent.reward.at(step)) for agent in self.agents) / max(len(self.agents), 1)

    def frame(self, step: int, before: int) -> "Image":
        """The map as it is at `step`, with each agent's way since the step `before`."""
        image = self._ground.copy()
        draw = drawing(image)
        for agent in self.agents:
            way = [self._center(agent.place.at(each)) for each in range(before, step + 1)]
            if len(way) > 1:
                draw.line(way, ACCENT, max(self.cell // 9, 1))
        for agent in self.agents:
            self._put(image, agent_sign(self._carried(agent, step), self.cell), agent.place.at(step))
        caption(image, MARGIN, image.height - STRIP + 8, step, self.steps, self.reward(step))
        return image

    def _carried(self, agent: _Agent, step: int) -> str:
        """The best thing that an agent holds, in the order of `CARRIED`."""
        held = {self.items[item] for item, amount in agent.inventory.at(step) if amount > 0}
        return next((item for item in CARRIED if item in held), "nothing")

    @cached_property
    def _ground(self) -> "Image":
        """What never changes: floor, walls, makers, the legend."""
        width, height = self.width * self.cell, self.height * self.cell
        image = blank(width + LEGEND + 3 * MARGIN, max(height, 340) + STRIP + MARGIN)
        draw = drawing(image)
        draw.rectangle((MARGIN, MARGIN, MARGIN + width - 1, MARGIN + height - 1), FLOOR)
        for line in range(1, self.width if self.cell > 5 else 0):
            draw.line((MARGIN + line * self.cell, MARGIN, MARGIN + line * self.cell, MARGIN + height - 1), LINE)
        for line in range(1, self.height if self.cell > 5 else 0):
            draw.line((MARGIN, MARGIN + line * self.cell, MARGIN + width - 1, MARGIN + line * self.cell), LINE)
        for kind, (x, y) in self.things:
            corner = (MARGIN + x * self.cell, MARGIN + y * self.cell)
            if kind == "wall":
                draw.rectangle((*corner, corner[0] + self.cell - 1, corner[1] + self.cell - 1), WALL)
            else:
                image.paste(object_sign(kind, self.cell), corner, object_sign(kind, self.cell))
        self._legend(image, 2 * MARGIN + width)
        return image

    def _legend(self, image: "Image", left: int) -> None:
        """The signs that are on this map with their names, then what an agent's color says."""
        present = {kind for kind, _ in self.things} - {"wall"}
        kinds = [kind for kind in [*NAMES, *sorted(present - NAMES.keys())] if kind in present]
        entries = [(object_sign(kind, 18), NAMES.get(kind, kind)) for kind in kinds]
        draw, top = drawing(image), MARGIN
        top = _entries(image, left, top, "on the map", entries)
        carried = [(agent_sign(item, 18), item) for item in reversed(CARRIED)]
        top = _entries(image, left, top + 12, "agent, carrying at best", carried)
        draw.line((left + 2, top + 26, left + 16, top + 26), ACCENT, 2)
        draw.text((left + 26, top + 26), "its way since the last frame", FAINT, font(11), anchor="lm")

    def _center(self, place: Place) -> tuple[float, float]:
        x, y = place
        return MARGIN + (x + 0.5) * self.cell, MARGIN + (y + 0.5) * self.cell

    def _put(self, image: "Image", sign: "Image", place: Place) -> None:
        x, y = place
        image.paste(sign, (MARGIN + x * self.cell, MARGIN + y * self.cell), sign)


def _entries(image: "Image", left: int, top: int, title: str, entries: Sequence[tuple["Image", str]]) -> int:
    """A titled group of the legend; returns where it ends."""
    draw = drawing(image)
    draw.text((left, top), title, FAINT, font(12))
    for place, (sign, words) in enumerate(entries):
        line = top + 22 + place * 23
        image.paste(sign, (left, line), sign)
        draw.text((left + 26, line + 9), words, INK, font(12), anchor="lm")
    return top + 22 + len(entries) * 23


def _agent(recorded: Mapping[str, Any]) -> _Agent:
    return _Agent(
        _timeline(recorded["location"], constant=_is_place(recorded["location"])),
        _timeline(recorded["inventory"], constant=not _changes_of_lists(recorded["inventory"])),
        _timeline(recorded["total_reward"], constant=not isinstance(recorded["total_reward"], list)),
    )


def _timeline(value: Any, *, constant: bool) -> Timeline:
    return Timeline([[0, value]] if constant else value)


def _is_place(value: Any) -> bool:
    return all(isinstance(number, int | float) for number in value)


def _changes_of_lists(value: Any) -> bool:
    """Whether an inventory is a list of changes; a constant one is a list of pairs of numbers, or empty."""
    return bool(value) and all(isinstance(change[1], list) for change in value)


def _first_place(recorded: Mapping[str, Any]) -> Place:
    location = recorded["location"]
    x, y = location if _is_place(location) else location[0][1]
    return int(x), int(y)
