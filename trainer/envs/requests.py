"""A group of environments and what a vector asks of it, as records that fit through a pipe; they wait for no answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from trainer.contract.environment import EnvConfig
from trainer.envs.arrays import StepArrays
from trainer.envs.group import EnvGroup
from trainer.envs.interface import EpisodeEnd, Spaces
from trainer.ops.slots import Task


@dataclass(frozen=True)
class GroupPlan:
    """What a process needs to know of the environments that live in it; picklable only while it is being spawned."""

    config: EnvConfig
    spaces: Spaces
    memory: Any
    num_slots: int
    envs: range
    replays: Mapping[int, Path]

    def __str__(self) -> str:
        """Which environments."""
        return f"environments {self.envs.start} to {self.envs.stop - 1}"

    @property
    def process_name(self) -> str:
        """Which environments, in short."""
        return f"envs-{self.envs.start}-{self.envs.stop - 1}"

    def make(self) -> EnvGroup:
        """The environments themselves, on their rows of the shared memory."""
        agents = self.spaces.num_agents
        arrays = StepArrays.over(self.memory, self.spaces, self.num_slots)
        rows = arrays.rows(self.envs.start * agents, self.envs.stop * agents)
        return EnvGroup(self.config, rows, self.envs, self.replays)


class Request(Protocol):
    """Picklable; done where the group lives."""

    def perform(self, group: EnvGroup) -> list[EpisodeEnd]:
        """Do it, and say which episodes ended by it."""
        ...


@dataclass(frozen=True)
class Reset:
    """Begin an episode in each environment; one seed for each."""

    seeds: Sequence[int]

    def perform(self, group: EnvGroup) -> list[EpisodeEnd]:
        """Reset; no episode counts as ended."""
        group.reset(self.seeds)
        return []


@dataclass(frozen=True)
class Assign:
    """Play these tasks, by environment, from the next episode on; environments that are not named keep theirs."""

    tasks: Mapping[int, Task]

    def perform(self, group: EnvGroup) -> list[EpisodeEnd]:
        """Assign; nothing else happens yet."""
        group.assign(self.tasks)
        return []


@dataclass(frozen=True)
class Step:
    """Act on the actions in the shared arrays."""

    def perform(self, group: EnvGroup) -> list[EpisodeEnd]:
        """Step."""
        return group.step()
