"""A sweep as plain data: a base spec, a space, how it is searched, by what it is judged, and when it ends; no search.

All that could make a run of it impossible is refused before there is any run, as far as it can be known.
"""

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, Literal, Self, cast

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from trainer.algorithm.declaration import exposed
from trainer.contract.measured import EVALUATION_REWARD, measurable
from trainer.contract.presets import preset_by_name
from trainer.contract.space import Choices, Dimension, Range, dimension, number_at
from trainer.contract.spec import TrainAndEvalSpec, accepted_name
from trainer.contract.spec_file import read_spec_data, save_declaration, with_values_at
from trainer.contract.sweep_config import BudgetConfig, PrunerConfig, SamplerConfig
from trainer.contract.sweep_population import PopulationConfig
from trainer.contract.variants import Arm
from trainer.plain.model import FrozenModel
from trainer.plain.refusal import Problem, Refused

MOST_PROBED = 64
SHARED = ("name", "description", "controls.seed")


class Sweep(FrozenModel):
    """A search for the best spec: trials are the base with the values that the sampler chose, one after another."""

    name: str = Field(description="Name of the sweep and of its runs.")
    description: str = Field(default="", description="What is asked, in a sentence.")
    base: TrainAndEvalSpec = Field(
        default=TrainAndEvalSpec(), description="What all trials share: a spec, or the name of a preset (arena, quick)."
    )
    space: dict[str, Dimension] = Field(
        min_length=1, description="By path, `{low: 0.0001, high: 0.01, log: true}` or a list of choices."
    )
    population: PopulationConfig | None = Field(
        default=None, description="Members that train side by side and learn values from each other; none: trials."
    )
    sampler: SamplerConfig = Field(default=SamplerConfig(), description="How points are chosen.")
    pruner: PrunerConfig = Field(default=PrunerConfig(), description="Which trials are stopped early.")
    metric: str = Field(
        default=EVALUATION_REWARD,
        description="`evaluation/reward`, `evaluation/<simulation>`, or a metric of the training: its last value.",
    )
    better: Literal["higher", "lower"] = Field(default="higher", description="Which values of both metrics are better.")
    budget: BudgetConfig = Field(default=cast("BudgetConfig", {}), description="When the sweep ends; never left out.")

    _preset_by_name = field_validator("base", mode="before")(preset_by_name)
    _can_name_a_run = field_validator("name")(accepted_name)

    @field_validator("sampler", mode="before")
    @classmethod
    def _members_begin_at_random(cls, given: Any, info: ValidationInfo) -> Any:
        said = given.model_dump(exclude_unset=True) if isinstance(given, SamplerConfig) else given
        in_population = info.data.get("population") is not None and isinstance(said, Mapping)
        return {"type": "random", **cast("Mapping[str, Any]", said)} if in_population else given

    @field_validator("metric")
    @classmethod
    def _is_reported(cls, metric: str, info: ValidationInfo) -> str:
        base: TrainAndEvalSpec | None = info.data.get("base")
        return measurable(metric, base) if base else metric

    @field_validator("space", mode="before")
    @classmethod
    def _read_dimensions(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {path: _read(path, each) for path, each in cast("Mapping[str, Any]", given).items()}

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        if self.population is not None:
            self._refuse_beside_population()
            self.population.refuse(self.base, self.space)
        for path, each in self.space.items():
            self._refuse_dimension(path, each)
        if self.sampler.type == "cma_es" and sum(isinstance(each, Range) for each in self.space.values()) < 2:
            raise ValueError("sampler.type = 'cma_es' searches two ranges or more; take tpe or random")
        self._refuse_budget()
        return self

    def spec(self, params: Mapping[str, Any]) -> TrainAndEvalSpec:
        """The spec of a trial; raises `Refused` where these values do not fit together."""
        return Arm().also(params).of(self.base.model_copy(update={"name": self.name}))

    @property
    def together(self) -> int:
        """How many trials are begun at once, and decided upon when all of them have ended."""
        return self.population.members if self.population else 1

    def points(self, path: str) -> tuple[Any, ...]:
        """Every value of a dimension, in order; none at all where there are infinitely many."""
        each = self.space[path]
        return each.values if isinstance(each, Choices) else each.points(number_at(path) or float)

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """The same as optimizers say it."""
        return "maximize" if self.better == "higher" else "minimize"

    @property
    def size(self) -> int | None:
        """How many points the space has; none where they are infinitely many."""
        return prod(len(self.points(path)) for path in self.space) or None

    def _refuse_dimension(self, path: str, each: Dimension) -> None:
        if path in SHARED:
            raise ValueError(f"space.{path}: is the same in all trials of a sweep; set it in the base")
        probed = list(self._probed(path, each))
        if isinstance(each, Choices):
            hashes = [spec.spec_hash for spec in probed]
            twice = next((value for i, value in enumerate(each.values) if hashes[i] in hashes[:i]), None)
            if twice is not None:
                raise ValueError(f"space.{path}: {twice!r} is the same as a choice before it; leave one of them out")
        elif self.sampler.type == "grid" and not self.points(path):
            raise ValueError(f"space.{path}: a grid over all numbers between never ends; give a step, or choices")

    def _probed(self, path: str, each: Dimension) -> Iterator[TrainAndEvalSpec]:
        """The base with each choice, or with the ends of the range: with all its values where they are few."""
        if isinstance(each, Range):
            self._refuse_what_is_no_number(path, each)
        for value in self._ends_or_all(path, each):
            try:
                yield self.spec({path: value})
            except Refused as refused:
                raise Refused(Problem(f"space.{one.path}", one.value, one.why) for one in refused.problems) from None

    def _ends_or_all(self, path: str, each: Dimension) -> tuple[Any, ...]:
        points, number = self.points(path), number_at(path) or float
        if isinstance(each, Range) and not 0 < len(points) <= MOST_PROBED:
            return number(each.low), number(each.high)
        return points

    def _refuse_what_is_no_number(self, path: str, each: Range) -> None:
        number = number_at(path)
        if path in exposed() or (number is None and _is_a_field(self.base, path)):
            raise ValueError(f"space.{path}: is no number, so it has no range; give a list of choices")
        try:
            each.refuse_parts_of(number or float)
        except ValueError as error:
            raise ValueError(f"space.{path}: {error}") from None

    def _refuse_beside_population(self) -> None:
        if self.sampler.type != "random":
            why = "members begin at random and learn from each other; leave it out"
            raise ValueError(f"sampler.type = {self.sampler.type!r} beside population: {why}")
        if self.pruner.type != "none":
            why = "the worst members are replaced, none is stopped; leave it out"
            raise ValueError(f"pruner.type = {self.pruner.type!r} beside population: {why}")

    def _refuse_budget(self) -> None:
        trainer, budget, population = self.base.trainer, self.budget, self.population
        least = "training" if population is None else f"generation of {population.members} members"
        steps = trainer.agent_steps if population is None else population.members * population.interval
        if (
            budget.agent_steps is not None
            and budget.agent_steps < steps
            and "trainer.total_timesteps" not in self.space
        ):
            raise ValueError(
                f"budget.agent_steps = {budget.agent_steps}: not even one {least} of {steps} fits; raise it"
            )
        if budget.runs is not None and budget.runs < self.together:
            raise ValueError(f"budget.runs = {budget.runs}: not even one {least} fits; raise it")


def load_sweep(path: str | Path) -> Sweep:
    """Read a sweep's file; raises `Refused` with path and value of all that is wrong."""
    return Sweep.accept(read_spec_data(path))


def save_sweep(sweep: Sweep, path: str | Path) -> Path:
    """Write the sweep to a `.yaml`, `.yml` or `.json` file; reading it back gives an equal one."""
    return save_declaration(sweep, path, "sweep")


def _read(path: str, given: Any) -> Dimension:
    try:
        return dimension(given)
    except ValidationError as error:
        raise Refused.from_validation(error, path) from None


def _is_a_field(base: TrainAndEvalSpec, path: str) -> bool:
    """Whether there is such a path; where there is none, the probing says so, with the nearest name."""
    try:
        with_values_at(base, [(path, None)])
    except Refused as refused:
        return not any("no such field" in problem.why for problem in refused.problems)
    return True
