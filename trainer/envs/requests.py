"""What a vector asks of a group of environments, as records that fit through a pipe; it never waits for an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from trainer.envs.group import EnvGroup
from trainer.envs.interface import EpisodeEnd
from trainer.ops.slots import Task


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
