"""What an agent acts in: the MettaGrid arena's parameters or any Gymnasium id; never an environment object."""

from collections.abc import Mapping
from typing import Any, Self, cast

from pydantic import BaseModel, Field, ValidationError, model_validator

from trainer.plain.model import FrozenModel
from trainer.plain.refusal import Problem, Refused, nearest

ARENA = "arena"
_FIXED = {
    "id": "the policy is made for one kind of environment; train on the other one in an experiment of its own",
    "arena.num_agents": "the number of agents sets the size of every rollout; set it in the spec, for all tasks",
}


class ArenaRewards(FrozenModel):
    """What an agent is paid, per item that it gains."""

    ore: float = Field(default=0.01, ge=0, description="Reward for an ore taken from a mine.")
    battery: float = Field(default=0.1, ge=0, description="Reward for a battery made at a generator.")
    heart: float = Field(default=1.0, ge=0, description="Reward for a heart made at an altar.")


class ArenaConfig(FrozenModel):
    """The arena: mines give ore, generators turn ore into batteries, altars turn batteries into hearts."""

    num_agents: int = Field(default=16, ge=1, le=255, description="Agents in one arena.")
    width: int = Field(default=21, ge=5, le=200, description="Cells from west to east, walls included.")
    height: int = Field(default=21, ge=5, le=200, description="Cells from north to south, walls included.")
    num_mines: int = Field(default=10, ge=0, description="Mines on the map (ore).")
    num_generators: int = Field(default=5, ge=0, description="Generators on the map (ore to battery).")
    num_altars: int = Field(default=5, ge=0, description="Altars on the map (battery to heart).")
    num_lasers: int = Field(default=1, ge=0, description="Laser makers on the map (the means of attack).")
    num_armories: int = Field(default=1, ge=0, description="Armor makers on the map (the means of defence).")
    combat: bool = Field(default=False, description="Whether a laser can be spent to take an unarmored agent's goods.")
    max_steps: int = Field(default=500, ge=1, description="Steps in an episode; the end is a truncation.")
    rewards: ArenaRewards = Field(default=ArenaRewards(), description="What an agent is paid for each item gained.")

    @model_validator(mode="after")
    def _fits_on_the_map(self) -> Self:
        objects = self.num_mines + self.num_generators + self.num_altars + self.num_lasers + self.num_armories
        floor = (self.width - 2) * (self.height - 2)
        if 2 * (objects + self.num_agents) > floor:
            raise ValueError(
                f"{objects} objects and {self.num_agents} agents fill more than half of the {floor} floor cells; "
                "enlarge width or height, or place fewer"
            )
        return self


class EnvConfig(FrozenModel):
    """One environment: `arena`, or any Gymnasium id with its keyword arguments."""

    id: str = Field(default=ARENA, min_length=1, description="`arena`, or a Gymnasium id such as `CartPole-v1`.")
    arena: ArenaConfig = Field(
        default=ArenaConfig(), description="Parameters of the arena; only used when id is `arena`."
    )
    kwargs: dict[str, Any] = Field(default={}, description="Keyword arguments of `gymnasium.make`; not for the arena.")

    @model_validator(mode="after")
    def _parameters_belong_to_the_id(self) -> Self:
        if self.id == ARENA and self.kwargs:
            raise ValueError("kwargs are for Gymnasium environments; the arena's parameters stand under 'arena'")
        if self.id != ARENA and self.arena != ArenaConfig():
            raise ValueError(f"'arena' is set but id is {self.id!r}; its parameters would be ignored")
        return self

    @property
    def num_agents(self) -> int:
        """Agents that act at once in one copy of this environment."""
        return self.arena.num_agents if self.id == ARENA else 1

    def with_task(self, task: Mapping[str, Any]) -> Self:
        """This config with the task's values at their paths (`arena.num_mines`, `kwargs.gravity`); raises `Refused`.

        A float without a fraction becomes an int or a bool where the field, or the keyword argument that stands in
        this config, holds one; a keyword argument that is not in this config is taken as it is given.
        """
        if not task:
            return self
        data = self.model_dump()
        for path, value in task.items():
            self._refuse_unless_free(path, value)
            *parents, last = path.split(".")
            group = data
            for parent in parents:
                group = group[parent]
            group[last] = _typed_like(group.get(last), value)
        try:
            return type(self).model_validate(data)
        except ValidationError as error:
            raise _of_the_task(task, Refused.from_validation(error, "task")) from None

    def _refuse_unless_free(self, path: str, value: Any) -> None:
        if path in _FIXED:
            raise Refused.one(path, value, f"a task cannot change it: {_FIXED[path]}")
        if self.id == ARENA and path not in _ARENA_PATHS:
            raise Refused.one(path, value, f"no task can set this; {nearest(path, _ARENA_PATHS)}")
        head, _, name = path.partition(".")
        if self.id != ARENA and not (head == "kwargs" and name.isidentifier()):
            raise Refused.one(
                path, value, f"no task can set this; allowed for {self.id}: kwargs.<name> of a keyword argument"
            )


def _paths(model: type[BaseModel], prefix: str) -> list[str]:
    paths: list[str] = []
    for name, field in model.model_fields.items():
        kind: Any = field.annotation
        inner = isinstance(kind, type) and issubclass(kind, BaseModel)
        paths += _paths(cast("type[BaseModel]", kind), f"{prefix}{name}.") if inner else [prefix + name]
    return paths


_ARENA_PATHS = frozenset(_paths(ArenaConfig, "arena.")) - _FIXED.keys()


def _typed_like(present: Any, value: Any) -> Any:
    if isinstance(present, bool):
        return bool(value) if isinstance(value, float) and value in (0.0, 1.0) else value
    whole = isinstance(present, int) and isinstance(value, float) and value.is_integer()
    return int(value) if whole else value


def _of_the_task(task: Mapping[str, Any], refused: Refused) -> Refused:
    """The same refusal; a problem of the whole, not of one path, shows the task that brought it about."""
    return Refused(
        found if found.path in task else Problem(found.path, found.value, f"{found.why}; the task is {dict(task)}")
        for found in refused.problems
    )
