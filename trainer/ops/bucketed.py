"""Tasks drawn at random, all as likely; never looks at how an episode went.

Tobin et al. 2017, "Domain randomization for transferring deep neural networks from simulation to the real world",
arXiv:1703.06907: what is trained over many variants of a world works in one that was not among them.
"""

from collections.abc import Sequence
from typing import ClassVar

from trainer.ops.buckets import BucketsOp
from trainer.ops.slots import Lesson, Task


class Bucketed(BucketsOp):
    """Each environment draws uniformly and independently: every task of the product with probability `1 / K`.

    All draw anew before each rollout; the next episode of an environment plays its latest draw.
    """

    name: ClassVar[str] = "bucketed"

    def __call__(self, lesson: Lesson) -> Sequence[Task]:
        """Assign."""
        return [self.task(int(number)) for number in lesson.generator.integers(self.num_tasks, size=lesson.num_envs)]
