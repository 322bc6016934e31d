"""Tasks level by level, each level from a set of its own; it never goes back to an earlier one.

Bengio et al. 2009, "Curriculum learning", ICML: what is hard is learned sooner after what is easy. Narvekar et al.
2020, "Curriculum learning for reinforcement learning domains", arXiv:2003.04960, on when to go on.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from trainer.ops.buckets import Buckets
from trainer.ops.op import CurriculumOp
from trainer.ops.slots import Lesson, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Memory = dict[str, NDArray[np.float64]]


class Level(Buckets):
    """Tasks that are played together, and when the next level begins: at the first of the two that comes."""

    until_progress: float | None = Field(
        default=None, gt=0, lt=1, description="The part of all updates at which the next level begins."
    )
    until_reward: float | None = Field(
        default=None, description="The mean return of its last `episodes` episodes at which the next level begins."
    )
    episodes: int = Field(default=20, ge=1, description="Episodes that `until_reward` is the mean of.")


class Levels(CurriculumOp):
    """Each environment draws uniformly and independently among the tasks of the present level.

    A level ends where `progress` is `until_progress`, or where the mean return of the last `episodes` episodes is
    `until_reward`: of those that were played with its tasks and ended since it began, and not before there are as many.
    The last level has no end. The state is `began`, the progress at which each level so far began (levels so far,), and
    `returns`, those returns, oldest first (at most `episodes`,).
    """

    name: ClassVar[str] = "levels"
    levels: tuple[Level, ...] = Field(
        default=(
            Level(buckets={"arena.combat": (0.0,)}, until_progress=0.5),
            Level(buckets={"arena.combat": (0.0, 1.0)}),
        ),
        min_length=1,
        description="In the order in which they are played.",
    )

    @model_validator(mode="after")
    def _every_level_but_the_last_ends_and_in_order(self) -> Self:
        *earlier, last = self.levels
        if last.until_progress is not None or last.until_reward is not None:
            raise ValueError(f"levels.{len(earlier)}: the last level has no end: leave out its until_…, or add a level")
        before = 0.0
        for number, level in enumerate(earlier):
            if level.until_progress is None and level.until_reward is None:
                raise ValueError(f"levels.{number} never ends: give it until_progress, until_reward or both")
            if level.until_progress is not None and level.until_progress <= before:
                raise ValueError(f"levels.{number}.until_progress = {level.until_progress:g} is not above {before:g}")
            before = level.until_progress or before
        return self

    def __call__(self, lesson: Lesson) -> Sequence[Task]:
        """Assign, after taking in the episodes that ended."""
        import numpy as np

        lesson.state.setdefault("began", np.array([lesson.progress]))
        lesson.state.setdefault("returns", np.zeros(0))
        self._take_in(lesson)
        while self._is_over(lesson):
            lesson.state["began"] = np.append(lesson.state["began"], lesson.progress)
            lesson.state["returns"] = np.zeros(0)
        level = self._present(lesson.state)
        return [level.task(int(number)) for number in lesson.generator.integers(level.num_tasks, size=lesson.num_envs)]

    def _present(self, state: "Memory") -> Level:
        return self.levels[len(state["began"]) - 1]

    def _take_in(self, lesson: Lesson) -> None:
        import numpy as np

        level = self._present(lesson.state)
        own = [end.reward for end in lesson.ended if level.number(end.task) is not None]
        lesson.state["returns"] = np.append(lesson.state["returns"], own)[-level.episodes :]

    def _is_over(self, lesson: Lesson) -> bool:
        level, returns = self._present(lesson.state), lesson.state["returns"]
        if level.until_progress is not None and lesson.progress >= level.until_progress:
            return True
        enough = len(returns) == level.episodes
        return level.until_reward is not None and enough and float(returns.mean()) >= level.until_reward
