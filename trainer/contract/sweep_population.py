"""A population as plain data: how many train, when they are judged, how the worst are replaced; it decides nothing.

What cannot change in the middle of a training cannot be searched so, and is refused before there is any run.
"""

from collections.abc import Iterable, Mapping

from pydantic import Field, field_validator

from trainer.algorithm.declaration import exposed, slot_of
from trainer.algorithm.overrides import replacement_of
from trainer.contract.resume import STATEFUL, ResumeFrom
from trainer.contract.spec import TrainAndEvalSpec
from trainer.contract.spec_file import with_values_at
from trainer.ops.levels import Levels
from trainer.plain.model import FrozenModel

TOTAL, RESUME = "trainer.total_timesteps", "resume_from"
SEARCHED = ("trainer.optimizer", "trainer.ppo", "trainer.minibatch_size")
# What a checkpoint stores by, and what is taken over the whole training, of which a generation is a part.
NEVER = ("trainer.optimizer.type", "trainer.optimizer.schedule", "trainer.ppo.clip_schedule")
WHOLE_STEPS = ("train", "evaluate", "analyze", "train.policy")
_PART = "a generation ends before the training does"
_SWEEP = "search it without population"


class PopulationConfig(FrozenModel):
    """Population-based training (Jaderberg et al. 2017, arXiv:1711.09846) in generations.

    After each generation the worst members go on from checkpoints of the best, with values near theirs.
    """

    members: int = Field(ge=2, description="How many trainings there are side by side.")
    interval: int = Field(ge=1, description="Agent-steps of a generation, in whole batches.")
    truncation: float = Field(
        default=0.2, gt=0, le=0.5, description="The part that is replaced, and by which; at least one member."
    )
    factors: tuple[float, ...] = Field(
        default=(0.8, 1.2), min_length=1, description="A value is multiplied by one of them."
    )
    resample: float = Field(
        default=0.25, ge=0, le=1, description="The chance that a value is drawn anew from the space instead."
    )

    @field_validator("factors")
    @classmethod
    def _change_something(cls, factors: tuple[float, ...]) -> tuple[float, ...]:
        for factor in factors:
            if factor <= 0 or factor == 1:
                raise ValueError(f"{factor:g} is no factor: above 0, and not 1, which changes nothing")
        return factors

    @property
    def replaced(self) -> int:
        """How many members are replaced after a generation, and by how many."""
        return max(1, int(self.members * self.truncation + 1e-9))

    def generations(self, base: TrainAndEvalSpec) -> int:
        """How many generations a whole training of the base has."""
        return base.trainer.agent_steps // self.interval

    def spec(self, spec: TrainAndEvalSpec, generation: int, origin: str | None) -> TrainAndEvalSpec:
        """A member's spec in a generation, from 0: it trains to the generation's end, on from the run `origin`."""
        values: list[tuple[str, object]] = [(TOTAL, (generation + 1) * self.interval)]
        if origin is not None:
            values.append((RESUME, ResumeFrom(run=origin).plain()))
        return with_values_at(spec, values)

    def refuse(self, base: TrainAndEvalSpec, space: Iterable[str]) -> None:
        """Raise `ValueError` for a base that cannot be trained in generations, and for values that cannot change."""
        self._refuse_lengths(base)
        for path, value in _schedules(base).items():
            if value != "constant":
                raise ValueError(f"base.{path} = {value!r} is taken over a whole training, and {_PART}; set 'constant'")
        for path in space:
            _refuse_path(path)
        _refuse_progress(base)
        if base.resume_from is not None and base.resume_from.load == "all":
            raise ValueError("base.resume_from: members count their agent-steps from 0; set load to weights")
        self.spec(base, 1, "any")  # Refuses what resumes nowhere.

    def _refuse_lengths(self, base: TrainAndEvalSpec) -> None:
        batch, whole = base.trainer.batch_size, base.trainer.agent_steps
        if self.interval % batch:
            down = max(batch, self.interval // batch * batch)
            raise ValueError(
                f"population.interval = {self.interval} is no whole number of batches of {batch}; "
                f"near: {down} or {down + batch}"
            )
        if whole % self.interval or whole == self.interval:
            raise ValueError(
                f"population.interval = {self.interval}: the base trains {whole} agent-steps, not two or more whole "
                "generations; set base.trainer.total_timesteps to a multiple, or another interval"
            )


def _schedules(base: TrainAndEvalSpec) -> Mapping[str, str]:
    trainer = base.trainer
    return {
        "trainer.optimizer.schedule": trainer.optimizer.schedule,
        "trainer.ppo.clip_schedule": trainer.ppo.clip_schedule,
    }


def _refuse_path(path: str) -> None:
    if path in exposed():
        if path in WHOLE_STEPS or slot_of(path) in STATEFUL:
            raise ValueError(
                f"space.{path}: a member goes on with the state that it left, so it cannot change; {_SWEEP}"
            )
    elif (short := _short(path)) in NEVER or not any(f"{short}.".startswith(f"{each}.") for each in SEARCHED):
        raise ValueError(
            f"space.{path}: cannot change in the middle of a training, as in a population it must; what can is "
            f"{', '.join(SEARCHED)} (but for {', '.join(NEVER)}) and exposed steps without a state; {_SWEEP}"
        )


def _short(path: str) -> str:
    """The path without long names: `trainer.ppo` of `trainer_config.ppo_config`."""
    return ".".join(part.removesuffix("_config") for part in path.split("."))


def _refuse_progress(base: TrainAndEvalSpec) -> None:
    for path, choice in base.overrides.items():
        op = replacement_of(path, choice)
        if isinstance(op, Levels) and any(level.until_progress is not None for level in op.levels):
            raise ValueError(
                f"base.overrides.{path}: until_progress is a part of a training, and {_PART}; use until_reward"
            )
