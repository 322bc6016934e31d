"""What every environment shows of itself: spaces, ends of episodes and protocols; never an implementation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.ops.slots import Task


@dataclass(frozen=True)
class DiscreteActions:
    """One of `n` choices, as an int32 in `0..n-1`."""

    n: int
    names: tuple[str, ...] = ()
    shape: ClassVar[tuple[int, ...]] = ()
    dtype: ClassVar[np.dtype] = np.dtype(np.int32)


@dataclass(frozen=True, eq=False)
class BoxActions:
    """A float32 vector; each component is clipped to `[low, high]` before it is used. Bounds may be infinite.

    `low` and `high` have shape (d,): an environment's own action shape is flattened.
    """

    low: NDArray[np.float32]
    high: NDArray[np.float32]
    dtype: ClassVar[np.dtype] = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """(d,)."""
        return self.low.shape

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BoxActions) and bool(
            np.array_equal(self.low, other.low) and np.array_equal(self.high, other.high)
        )

    __hash__ = None  # pyright: ignore[reportAssignmentType]


@dataclass(frozen=True)
class VectorObservations:
    """A float32 array of any shape, unscaled, as a Gymnasium Box space gives it (uint8 images too become floats)."""

    shape: tuple[int, ...]
    dtype: ClassVar[np.dtype] = np.dtype(np.float32)


@dataclass(frozen=True)
class TokenFeature:
    """What one feature byte stands for, and how its value is to be read.

    With `categories` the value is an index into them: a category, not a magnitude (scaled like a number, an agent
    learns nothing from it). Without, it is a magnitude in 0..255, and `normalization` is MettaGrid's scale for it.
    """

    id: int
    name: str
    normalization: float
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class TokenObservations:
    """A bag of tokens `[location, feature, value]`, uint8 of shape (num_tokens, 3).

    Location: `0xFF` is padding (all three bytes are 0xFF; all padding stands after the last token). `0xFE` is global:
    what belongs to the agent and to no cell. Any other byte is a cell of the window, `row << 4 | column`, row 0 in the
    north, column 0 in the west, and the agent that observes stands at `centre`. Cells off the map have no tokens.

    Feature: the `id` of one of `features`; which features occur where:
    - `tag`, at a cell: what stands there (`categories` are the tags). Each object has one; an empty cell has none.
    - `inv:<item>`, at a cell: how many of the item the agent in that cell carries; at `centre`, the observer's own.
      No token means 0.
    - `agent:group` and `agent_id`, at a cell with an agent: its team (always 0 here) and its index in the arena.
    - `episode_completion_pct`, global: the part of the episode that has passed, 0 at its start, 255 at its end.
    - `last_action`, global: the action just taken (`categories` are the actions), 0 after a reset or a blocked move.
    - other names (`vibe`, `lp:…`, `…:p1` …) are MettaGrid's; the arena never emits them.

    Order among tokens carries no meaning. In a valid observation no (location, feature) pair stands twice.
    """

    num_tokens: int
    features: tuple[TokenFeature, ...]
    window_width: int
    window_height: int
    dtype: ClassVar[np.dtype] = np.dtype(np.uint8)
    padding: ClassVar[int] = 0xFF
    global_location: ClassVar[int] = 0xFE

    @property
    def shape(self) -> tuple[int, ...]:
        """(num_tokens, 3)."""
        return (self.num_tokens, 3)

    @property
    def centre(self) -> int:
        """The location byte of the cell in which the observer stands."""
        return (self.window_height // 2) << 4 | self.window_width // 2

    def feature(self, name: str) -> TokenFeature:
        """The feature of that name; raises KeyError if there is none."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(f"no observation feature is called {name!r}; there are {[f.name for f in self.features]}")


ActionSpace = DiscreteActions | BoxActions
ObservationSpace = VectorObservations | TokenObservations


@dataclass(frozen=True)
class Spaces:
    """What an agent sees and does, and how many agents act at once in one environment."""

    observation: ObservationSpace
    action: ActionSpace
    num_agents: int


@dataclass(frozen=True, eq=False)
class EpisodeEnd:
    """One finished episode of environment `env`.

    `returns` (A,) float64: each agent's undiscounted sum of rewards. `length` in steps. `stats`: what the environment
    counted (arena: means over its agents). `replay`: where the episode was saved, if it was. `task`: what it was played
    with, as it was assigned.
    """

    env: int
    returns: NDArray[np.float64]
    length: int
    stats: dict[str, float]
    replay: str | None = None
    task: Task = field(default_factory=dict[str, Any])

    @property
    def mean_return(self) -> float:
        """Over the agents."""
        return float(np.add.reduce(self.returns)) / len(self.returns)


class Env(Protocol):
    """One environment of A agents that works in place on the `StepArrays` that it was made with; no autoreset."""

    def reset(self, seed: int, record: bool = False) -> None:
        """Begin the episode of this seed and write its first observation; leaves rewards and ends as they are."""
        ...

    def step(self) -> None:
        """Act on the actions in the arrays; write observations, rewards, terminated, truncated of all A agents."""
        ...

    def stats(self) -> dict[str, float]:
        """What was counted in the episode that just ended."""
        ...

    def save_replay(self, path: Path) -> None:
        """Write the recorded episode that just ended, atomically; only after `reset(..., record=True)`."""
        ...

    def close(self) -> None:
        """Let go of everything; safe to call twice."""
        ...


class EnvBatch(Protocol):
    """n copies of one environment of one agent that step together, in place on the `StepArrays` of their n rows.

    Each does, bit by bit, what an `Env` of the same config does. They count nothing and record nothing.
    """

    def first(self, seeds: NDArray[np.int64]) -> Iterable[Any]:
        """What the episodes of these seeds (n,) begin with, for `reset`; nothing changes."""
        ...

    def reset(self, rows: NDArray[np.intp], first: Sequence[Any]) -> None:
        """Begin such episodes in these rows, and write their observations; leaves rewards and ends as they are."""
        ...

    def step(self) -> None:
        """Act on the actions in the arrays; write observations, rewards, terminated, truncated of all rows."""
        ...
