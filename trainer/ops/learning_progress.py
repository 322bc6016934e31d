"""Tasks drawn in proportion to how fast their returns change; never looks at how hard a task is.

Matiisen et al. 2017, "Teacher-student curriculum learning", arXiv:1707.00183 (absolute learning progress, so that what
is being forgotten is played too); Portelas et al. 2019, "Teacher algorithms for curriculum learning of deep RL in
continuously parameterized environments", arXiv:1910.07224 (a share of uniform draws); Kanitscheider et al. 2021,
"Multi-task curriculum learning in a complex, visual, hard-exploration domain: Minecraft", arXiv:2106.14876 (progress as
the difference of a fast and a slow average).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from trainer.ops.buckets import BucketsOp
from trainer.ops.slots import Lesson, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Memory = dict[str, NDArray[np.float64]]


class LearningProgress(BucketsOp):
    """Each environment draws task k independently with `p_k = (1 - exploration) * L_k / sum(L) + exploration / K`.

    With returns R of a task's episodes, oldest first: `fast = slow = R` at its first end, then
    `fast += fast_rate * (R - fast)` and `slow += slow_rate * (R - slow)`. `L_k = |fast_k - slow_k|` once the task has
    ended twice, as one return shows no change; before that `L_k` is the largest L of those that have, so that what is
    new is as likely as what moves most. Where that makes every L zero, all tasks are as likely.

    Returns count as they are: a task that pays ten times as much shows ten times the progress. Ends of tasks that are
    not in the product are ignored. The state is `fast`, `slow` and `ends` (episodes that ended), each (K,).
    """

    name: ClassVar[str] = "learning_progress"
    fast_rate: float = Field(default=0.2, gt=0, le=1, description="Weight of a return in the fast average.")
    slow_rate: float = Field(default=0.05, gt=0, lt=1, description="Weight of a return in the slow average.")
    exploration: float = Field(default=0.1, gt=0, le=1, description="Share of draws among all tasks alike.")

    @model_validator(mode="after")
    def _fast_is_faster_than_slow(self) -> Self:
        if self.fast_rate <= self.slow_rate:
            raise ValueError(f"fast_rate = {self.fast_rate:g} is not above slow_rate = {self.slow_rate:g}")
        return self

    def __call__(self, lesson: Lesson) -> Sequence[Task]:
        """Assign, after taking in the episodes that ended."""
        import numpy as np

        for name in ("fast", "slow", "ends"):
            lesson.state.setdefault(name, np.zeros(self.num_tasks))
        for end in lesson.ended:
            number = self.number(end.task)
            if number is not None:
                self._take_in(lesson.state, number, end.reward)
        drawn = lesson.generator.choice(self.num_tasks, size=lesson.num_envs, p=self.probabilities(lesson.state))
        return [self.task(int(number)) for number in drawn]

    def probabilities(self, state: "Memory") -> "NDArray[np.float64]":
        """p (K,)."""
        import numpy as np

        progress = np.abs(state["fast"] - state["slow"])
        known = state["ends"] >= 2
        progress[~known] = progress[known].max(initial=0.0)
        total = progress.sum()
        share = progress / total if total > 0 else np.full(self.num_tasks, 1 / self.num_tasks)
        return (1 - self.exploration) * share + self.exploration / self.num_tasks

    def _take_in(self, state: "Memory", number: int, reward: float) -> None:
        first = state["ends"][number] == 0
        for name, rate in (("fast", self.fast_rate), ("slow", self.slow_rate)):
            average = state[name]
            average[number] += (1.0 if first else rate) * (reward - average[number])
        state["ends"][number] += 1
