"""Collects the next rollout while an update is learned, in a thread of its own; it never touches what is learned.

The rollout is made by the policy from before the update, so it is one update behind, always: what is learned does not
depend on which is done first (Huang et al. 2023, "Cleanba", arXiv:2310.00036). PPO's ratio is to the policy that acted.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass

from trainer.engine.rollout import Collection, Collector, Rollout
from trainer.policies.actor_critic import Policy


@dataclass(frozen=True)
class Collected(Collection):
    """A collection that is done."""

    rollout: Rollout

    def collect(self) -> Rollout:
        """What was collected."""
        return self.rollout


class Ahead:
    """Hands out the collections of a training: one that was begun ahead and is done, else one that is yet to be.

    The stack waits for one that is under way: at most for a rollout.
    """

    def __init__(self, collector: Collector, steps: int, stack: ExitStack) -> None:
        self._collector = collector
        self._steps = steps
        self._thread = stack.enter_context(ThreadPoolExecutor(1, "ahead"))
        self._begun: tuple[Policy, Future[Rollout]] | None = None
        self._collected: Collected | None = None

    def begin(self, policy: Policy) -> None:
        """Begin with a copy of the policy as it is now; until `wait`, nobody else uses the environments."""
        frozen = deepcopy(policy)
        self._begun = frozen, self._thread.submit(self._collector.collect, frozen, self._steps)

    def wait(self) -> None:
        """Wait for what was begun, if anything was; raises what was raised there."""
        if self._begun is not None:
            (frozen, future), self._begun = self._begun, None
            self._collected = Collected(self._collector, frozen, self._steps, future.result())

    def collection(self, policy: Policy) -> Collection:
        """The one that is done, once; else one by this policy."""
        collected, self._collected = self._collected, None
        return collected or Collection(self._collector, policy, self._steps)
