"""A composition as plain data: phases in order, what each begins with, when it runs; it runs none of them.

All that could make a phase impossible is refused before there is any run, as far as it can be known.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from trainer.contract.composition_course import Bound, Phase
from trainer.contract.continuing import shared_by_all, shared_by_weights
from trainer.contract.manifest import Artifact
from trainer.contract.measured import measurable
from trainer.contract.presets import preset_by_name
from trainer.contract.resume import beginning_with
from trainer.contract.run_directory import RunDirectory
from trainer.contract.spec import TrainAndEvalSpec
from trainer.contract.spec_file import read_spec_data, save_declaration
from trainer.plain.model import FrozenModel
from trainer.plain.refusal import Problem, Refused, nearest

NAME = r"[A-Za-z0-9][A-Za-z0-9_]{0,38}\Z"


def accepted(name: str) -> str:
    """A name that an asset's key can hold, and a run's name beside another one; raises `ValueError`."""
    if not re.match(NAME, name):
        raise ValueError(f"{name!r}: a name is 1 to 39 letters, digits and `_`, and begins with a letter or digit")
    return name


class Composition(FrozenModel):
    """Phases of training, one after another, each of which may begin with what an earlier one has learned."""

    name: str = Field(description="Name of the composition; each run is named after it and its phase.")
    description: str = Field(default="", description="What is asked, in a sentence.")
    base: TrainAndEvalSpec = Field(
        default=TrainAndEvalSpec(), description="What all phases share: a spec, or the name of a preset (arena, quick)."
    )
    phases: dict[str, Phase] = Field(description="The phases by name, in order.")

    _preset_by_name = field_validator("base", mode="before")(preset_by_name)
    _can_name_assets = field_validator("name")(accepted)

    @field_validator("phases")
    @classmethod
    def _are_some_and_named(cls, phases: dict[str, Phase]) -> dict[str, Phase]:
        if not phases:
            raise ValueError("there is none; a composition has one phase or more")
        for name in phases:
            accepted(name)
        return phases

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        for name, phase in self.phases.items():
            self._refuse_others_than_earlier(name, phase)
        for name in self.specs:
            phase = self.phases[name]
            self._refuse_unreported(name, phase)
            for earlier in phase.initialize_from:
                self._refuse_unlike(name, earlier)
            self._refuse_endless_wholes(name, phase)
        return self

    @cached_property
    def specs(self) -> Mapping[str, TrainAndEvalSpec]:
        """Each phase's spec, but for the checkpoint of another phase that it begins with; raises `Refused`."""
        return {name: self._spec(name, phase) for name, phase in self.phases.items()}

    def begun(self, name: str, parent: RunDirectory, checkpoint: Artifact | None) -> TrainAndEvalSpec:
        """The spec of a phase that begins with what the training in `parent` left, `checkpoint` at its end."""
        return _begun(self.specs[name], self.phases[name], parent, checkpoint)

    @property
    def most_agent_steps(self) -> int:
        """How much is trained if every phase runs, with all its rounds."""
        return sum(map(self.most_agent_steps_of, self.phases))

    def most_agent_steps_of(self, name: str) -> int:
        """How much is trained in this phase, with all its rounds."""
        return self.phases[name].rounds * self.specs[name].trainer.agent_steps

    def _spec(self, name: str, phase: Phase) -> TrainAndEvalSpec:
        path = f"phases.{name}"
        if "name" in phase.set:
            raise Refused.one(f"{path}.set.name", phase.set["name"], f"is {self.name}-{name} in every run of it")
        try:
            spec = phase.changed(self.base.model_copy(update={"name": f"{self.name}-{name}"}))
        except Refused as refused:
            raise Refused(Problem(f"{path}: {each.path}", each.value, each.why) for each in refused.problems) from None
        if phase.initialize_from and spec.resume_from is not None:
            why = "begins with a run, and initialize_from names a phase; leave one of them out"
            raise Refused.one(f"{path}: resume_from", spec.resume_from.run, why)
        if phase.initialize_from:
            _begun(spec, phase, RunDirectory(Path(name)), None)  # Refused here if it would be refused then.
        return spec

    def _refuse_others_than_earlier(self, name: str, phase: Phase) -> None:
        names = list(self.phases)
        earlier = names[: names.index(name)]
        for field, other in _referred(phase):
            where = f"phases.{name}.{field}: {other!r}"
            if other not in names:
                raise ValueError(f"{where}: no such phase; {nearest(other, names)}")
            if other not in earlier:
                which = "this phase itself; `repeat` makes rounds of it" if other == name else "a later phase"
                raise ValueError(f"{where}: is {which}, and a phase goes by earlier ones only")

    def _refuse_unreported(self, name: str, phase: Phase) -> None:
        of_others = [(f"when: {each.phase}", each.phase, each) for each in phase.when]
        until = phase.repeat.until if phase.repeat else None
        for where, other, bound in [*of_others, *([("repeat.until", name, until)] if until else [])]:
            self._refuse_metric(f"phases.{name}.{where}", other, bound)

    def _refuse_metric(self, where: str, phase: str, bound: Bound) -> None:
        try:
            measurable(bound.metric, self.specs[phase])
        except ValueError as error:
            raise ValueError(f"{where}: {bound.metric!r}: {error}") from None

    def _refuse_unlike(self, name: str, earlier: str) -> None:
        then, now, whole = self.specs[earlier], self.specs[name], self.phases[name].load == "all"
        shared = shared_by_weights(then, now) | (shared_by_all(then, now) if whole else {})
        for path, (was, is_now) in shared.items():
            if was != is_now:
                otherwise = "; or load: weights" if whole and path.startswith(("trainer", "overrides")) else ""
                raise ValueError(
                    f"phases.{name}: {path} is {_short(is_now)} and {_short(was)} in {earlier}, with whose checkpoint "
                    f"it begins; make them equal{otherwise}"
                )
        if whole and now.trainer.num_updates <= then.trainer.num_updates:
            raise ValueError(
                f"phases.{name}: load: all counts {earlier}'s agent-steps as its own, so that nothing is left of "
                f"{now.trainer.total_timesteps}; ask for more, or load: weights"
            )

    def _refuse_endless_wholes(self, name: str, phase: Phase) -> None:
        if phase.load == "all" and phase.rounds > 1:
            raise ValueError(
                f"phases.{name}: load: all counts the agent-steps of the round before, so that a second round has "
                "none left; load: weights"
            )


def _referred(phase: Phase) -> Iterator[tuple[str, str]]:
    yield from (("initialize_from", name) for name in phase.initialize_from)
    yield from (("when", condition.phase) for condition in phase.when)


def _short(value: Any) -> str:
    return "as declared" if value is None else json.dumps(value)


def _begun(spec: TrainAndEvalSpec, phase: Phase, parent: RunDirectory, checkpoint: Artifact | None) -> TrainAndEvalSpec:
    asked = beginning_with(parent, checkpoint, load=phase.load, which=phase.checkpoint)
    return TrainAndEvalSpec.accept({**spec.plain(), "resume_from": asked.plain()})


def load_composition(path: str | Path) -> Composition:
    """Read a composition's file; raises `Refused` with path and value of all that is wrong."""
    return Composition.accept(read_spec_data(path))


def save_composition(composition: Composition, path: str | Path) -> Path:
    """Write the composition to a `.yaml`, `.yml` or `.json` file; reading it back gives an equal one."""
    return save_declaration(composition, path, "composition")
