"""The spec's own environment for all, as in Brockman et al. 2016, "OpenAI Gym", arXiv:1606.01540; never changes one."""

from collections.abc import Sequence
from typing import ClassVar

from trainer.ops.op import CurriculumOp
from trainer.ops.slots import Lesson, Task


class Fixed(CurriculumOp):
    """Every environment plays the spec's own config in every episode."""

    name: ClassVar[str] = "fixed"

    def __call__(self, lesson: Lesson) -> Sequence[Task]:
        """Assign."""
        return [{}] * lesson.num_envs
