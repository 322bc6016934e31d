"""What an agent acts in: the MettaGrid arena's parameters or any Gymnasium id; never an environment object."""

from typing import Any, Self

from pydantic import Field, model_validator

from trainer.plain.model import FrozenModel

ARENA = "arena"


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
