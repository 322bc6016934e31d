"""A phase of a composition, as the asset that trains it knows it: its spec and what it goes by; it trains nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg

from assets.shape import Shape, of_phase
from resources.manifest_store import ManifestStore
from resources.matrix import PHASE_TAG
from resources.typed_config import model_shape
from trainer.contract import TrainAndEvalSpec
from trainer.contract.composition import Composition
from trainer.contract.composition_course import Phase, why_skipped
from trainer.contract.measured import EVALUATION, measured
from trainer.contract.resume import PARENT, ResumeFrom

WITHOUT_CONFIG = """

What it trains is declared in the home (`experiments/<name>/composition.json`, which `axiom run FILE` writes). By
**config** it can begin with another run: `resume_from: {run: INSTANCE_NAME}`.
"""


@dataclass(frozen=True)
class PhaseOf:
    """One phase of a composition."""

    composition: Composition
    name: str

    @property
    def phase(self) -> Phase:
        """What is declared of it."""
        return self.composition.phases[self.name]

    @property
    def shape(self) -> Shape:
        """Where its stages' assets stand."""
        return self._shape(self.name)

    @property
    def begins_with(self) -> list[dg.AssetKey]:
        """The trainings that it may begin with."""
        return [self._shape(name).key("train") for name in self.phase.initialize_from]

    @property
    def goes_by(self) -> list[dg.AssetKey]:
        """What its conditions are about."""
        return [self._shape(each.phase).key(_stage(each.metric)) for each in self.phase.when]

    @property
    def description(self) -> str:
        """What it does, in Markdown."""
        what = f"Phase `{self.name}` of the composition `{self.composition.name}`. {self.composition.description}"
        return "\n".join([what, "", *(f"- {line}" for line in self._lines())]) + WITHOUT_CONFIG

    @property
    def config(self) -> dict[str, dg.Field]:
        """The config of the asset that trains it."""
        return {PARENT: dg.Field(model_shape(ResumeFrom), is_required=False, description=ResumeFrom.__doc__)}

    def spec(self, config: dict[str, Any]) -> TrainAndEvalSpec:
        """What is declared, beginning with what the config of the run says, if it does."""
        declared = self.composition.specs[self.name]
        asked = config.get(PARENT)
        return TrainAndEvalSpec.accept({**declared.plain(), PARENT: asked}) if asked else declared

    def why_skipped(self, context: dg.AssetExecutionContext) -> str:
        """Why the step leaves without training; empty: it trains. Who runs phase by phase has decided already."""
        if PHASE_TAG in context.run.tags:
            return ""
        manifests: ManifestStore = context.resources.manifests

        def reached(phase: str, metric: str) -> float | None:
            asset = self._shape(phase).key(_stage(metric))
            found = manifests.parent(context.instance, context.run.run_id, asset)
            return measured(metric, found.run_directory)

        return why_skipped(self.phase, list(self.composition.phases), reached)

    def _lines(self) -> Iterator[str]:
        phase = self.phase
        yield from (f"`{path}`: {value}" for path, value in {**phase.set, **phase.overrides}.items())
        if phase.initialize_from:
            yield f"begins with {phase.load} of `{'` or `'.join(phase.initialize_from)}`"
        yield from (f"runs when {condition}" for condition in phase.when)
        if phase.repeat:
            yield f"{phase.repeat}: `axiom run` makes the rounds, *Materialize* makes one"

    def _shape(self, phase: str) -> Shape:
        return of_phase(self.composition.name, phase)


def _stage(metric: str) -> str:
    return "evaluate" if metric.startswith(EVALUATION) else "train"
