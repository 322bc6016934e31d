"""Collects in a process of its own, where the next rollout can be under way while an update is learned here.

That rollout is made by the policy from before the update, so it is one update behind, always: what is learned does not
depend on which is done first (Huang et al. 2023, "Cleanba", arXiv:2310.00036). PPO's ratio is to the policy that acted.
Threads would not do: who acts, and MettaGrid, holds Python's lock, which the epochs need.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pickle import HIGHEST_PROTOCOL, PicklingError
from typing import Any

import torch
from torch import Generator, Tensor

from trainer.contract import AxiomControls, EnvConfig, Refused, SystemConfig
from trainer.engine.rollout import Collector, Rollout
from trainer.engine.seeding import make_repeatable
from trainer.envs.make import spaces_of
from trainer.envs.tasks import Tasks
from trainer.envs.vector import VectorEnv
from trainer.ops.slots import Task
from trainer.policies.actor_critic import Policy
from trainer.worker import Request, Worker


@dataclass(frozen=True)
class CollectorPlan:
    """What the process needs to know to make a collector that steps in `num_workers` processes, it among them."""

    controls: AxiomControls
    system: SystemConfig
    env: EnvConfig
    num_envs: int
    num_workers: int
    process_name: str = "collector"

    def __str__(self) -> str:
        """What it does."""
        return f"environments 0 to {self.num_envs - 1}, which collects,"

    def make(self) -> Collector:
        """The environments, and who collects in them; the chance is told with each request."""
        device = make_repeatable(self.controls, self.system)
        return Collector(VectorEnv(self.env, self.num_envs, self.num_workers), Generator(), device)


@dataclass(frozen=True)
class Restart:
    """Begin every environment anew."""

    seeds: Sequence[int]

    def perform(self, collector: Collector) -> None:
        """Restart."""
        collector.restart(self.seeds)


@dataclass(frozen=True)
class Assign:
    """Play these tasks from the next episode on."""

    tasks: Sequence[Task]

    def perform(self, collector: Collector) -> None:
        """Assign."""
        collector.assign(self.tasks)


@dataclass(frozen=True)
class Collect:
    """Act for some steps; `packed` has the policy, and where its chance stands."""

    packed: bytes
    steps: int

    def perform(self, collector: Collector) -> bytes:
        """The rollout, and where chance stands after it, packed."""
        policy, chance = _unpacked(self.packed, collector.device)
        collector.generator.set_state(chance)
        rollout = collector.collect(policy, self.steps)
        return _packed((rollout, collector.generator.get_state()))


class CollectorApart:
    """Asks a collector in another process, and keeps the chance that it draws from.

    Raises `WorkerFailed` where the process fails.
    """

    def __init__(self, plan: CollectorPlan, generator: Generator, device: torch.device) -> None:
        self.generator = generator
        self._device = device
        self._tasks = Tasks(plan.env, spaces_of(plan.env), plan.num_envs)
        self._under_way = False
        self._begun: list[Rollout] = []
        self._worker = Worker(plan)
        try:
            self._worker.receive()
        except BaseException:
            self.close()
            raise

    def assign(self, tasks: Sequence[Task]) -> None:
        """Let each environment play its task; raises `Refused` where one cannot be played."""
        if self._tasks.changed(tasks):
            self._ask(Assign(tasks))

    def restart(self, seeds: Sequence[int]) -> None:
        """Begin a new episode in every environment, from these seeds."""
        self._ask(Restart(seeds))

    def begin(self, policy: Policy, steps: int) -> None:
        """Begin what the next `collect` gives, by the policy as it is now.

        Raises `Refused` where the policy cannot go to the process.
        """
        self._wait()
        try:
            packed = _packed((policy, self.generator.get_state()))
        except (PicklingError, AttributeError, TypeError) as error:
            why = f"{type(policy).__qualname__} cannot go to the process that collects ({error}); define it at the top "
            raise Refused.one("train.policy", str(type(policy)), f"{why}of a module, or leave overlap off") from error
        self._worker.send(Collect(packed, steps))
        self._under_way = True

    def collect(self, policy: Policy, steps: int) -> Rollout:
        """What was begun; where nothing was, act for `steps` steps in every environment."""
        if not (self._under_way or self._begun):
            self.begin(policy, steps)
        self._wait()
        return self._begun.pop(0)

    def close(self) -> None:
        """End the process."""
        self._worker.close()

    def _ask(self, request: Request) -> None:
        self._wait()
        self._worker.send(request)
        self._worker.receive()

    def _wait(self) -> None:
        """Take what is under way: two that both write to a full pipe would wait for each other."""
        if self._under_way:
            self._under_way = False
            rollout, chance = _unpacked(self._worker.receive(), self._device)
            self._begun.append(rollout)
            self.generator.set_state(chance)


def _packed(things: tuple[Policy | Rollout, Tensor]) -> bytes:
    """Copies, unlike what a pipe of torch's own would share."""
    file = BytesIO()
    torch.save(things, file, pickle_protocol=HIGHEST_PROTOCOL)
    return file.getvalue()


def _unpacked(packed: bytes, device: torch.device) -> Any:
    things, chance = torch.load(BytesIO(packed), map_location=device, weights_only=False)
    return things, chance.cpu()
