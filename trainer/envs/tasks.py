"""Knows what each environment was told to play, and refuses what cannot be played; it never talks to an environment."""

from collections.abc import Mapping, Sequence

from trainer.contract.environment import EnvConfig
from trainer.envs.interface import Spaces
from trainer.envs.make import spaces_of
from trainer.ops.slots import Task
from trainer.plain.refusal import Refused


class Tasks:
    """The task of each of `num_envs` environments; at first each plays `config` as it is."""

    def __init__(self, config: EnvConfig, spaces: Spaces, num_envs: int) -> None:
        self._config = config
        self._spaces = spaces
        self._keys = [_key({})] * num_envs
        self._playable = {_key({})}

    def changed(self, tasks: Sequence[Task]) -> Mapping[int, Task]:
        """Take `tasks`, one for each environment, and return those that are new, by environment.

        Raises `Refused`, and takes none, if one cannot be made or changes the spaces. A task is checked once.
        """
        if len(tasks) != len(self._keys):
            raise Refused.one("tasks", len(tasks), f"give one for each of the {len(self._keys)} environments")
        keys = [_key(task) for task in tasks]
        for key, task in zip(keys, tasks, strict=True):
            if key not in self._playable:
                self._require_playable(task)
                self._playable.add(key)
        before, self._keys = self._keys, keys
        return {env: dict(tasks[env]) for env, key in enumerate(keys) if key != before[env]}

    def _require_playable(self, task: Task) -> None:
        if spaces_of(self._config.with_task(task)) != self._spaces:
            why = "changes what an agent sees or does, for which the policy is made; set it in the spec, for all tasks"
            raise Refused.one("task", sorted(task.items()), why)


def _key(task: Task) -> str:
    # Not a hash of the values: 1, 1.0 and True are one key to a dict, but three keyword arguments to an environment.
    return repr(sorted(task.items()))
