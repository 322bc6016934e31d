"""What a launch would be: its task, where it could run, what it may cost; nothing is launched, and nothing is kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from resources.home import axiom_home
from resources.skypilot.artifacts import JOB_FOLDER
from resources.skypilot.costs import Estimate, estimate_of
from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.job_record import JobFolder
from resources.skypilot.remote import Offer, SkyPilot, SkyPilotError
from resources.skypilot.task import HIDDEN, Task, mounts_of, preview, task_of
from trainer.contract import Problem, Refused, RunDirectory, TrainAndEvalSpec, begin_run, spec_yaml

SET_AT_LAUNCH = {name: "<set at launch>" for name in ("DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES")}


@dataclass(frozen=True)
class LaunchPlan:
    """All that can be known of a job before it is launched.

    `offers_unknown` says why there are no offers where SkyPilot could not be asked; `over_budget` why the job would be
    refused.
    """

    instance_name: str
    spec: TrainAndEvalSpec
    task_yaml: str
    offers: tuple[Offer, ...]
    offers_unknown: str | None
    estimate: Estimate
    over_budget: Problem | None
    warnings: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """The same as JSON types."""
        return {
            "instance_name": self.instance_name,
            "spec_hash": self.spec.spec_hash,
            "spec": self.spec.plain(),
            "task_yaml": self.task_yaml,
            "offers": [offer.plain() for offer in self.offers],
            "offers_unknown": self.offers_unknown,
            "estimate": self.estimate.plain(),
            "over_budget": self.over_budget and str(self.over_budget),
            "warnings": list(self.warnings),
        }

    def lines(self) -> Iterator[str]:
        """For people; task and spec are YAML as they stand."""
        yield f"# {self.instance_name}: the task for SkyPilot (workdir will hold a copy of the files that git follows)"
        yield self.task_yaml.rstrip()
        yield f"\n# the spec, {self.spec.spec_hash}"
        yield spec_yaml(self.spec).rstrip()
        yield "\n# candidate resources"
        yield from self._candidates()
        yield f"\n# worst case: {self._worst_case()}"
        yield from (f"# WARNING: {warning}" for warning in self.warnings)

    def _candidates(self) -> Iterator[str]:
        if self.offers_unknown is not None:
            yield f"unknown: {self.offers_unknown}"
        elif not self.offers:
            yield "none: SkyPilot finds no resources for this task"
        for offer in self.offers:
            price = "price unknown" if offer.dollars_per_hour is None else f"${offer.dollars_per_hour:.2f}/h"
            yield f"{offer.infra}  {offer.nodes} × {offer.resources}  {price}"

    def _worst_case(self) -> str:
        formula = "price × max_runtime × (1 + restarts)"
        refused = f"; would be refused: {self.over_budget}" if self.over_budget else ""
        return f"{self.estimate}, {formula}{refused}"


def plan_of(
    spec: TrainAndEvalSpec,
    config: SkypilotJobConfig,
    sky: SkyPilot,
    *,
    instance_name: str | None = None,
) -> LaunchPlan:
    """The plan of the training of `spec`; where SkyPilot is not there or answers with an error, the plan says so.

    The run has no name before it begins: unless one is given, it is shown with the time and no run id.
    """
    name = instance_name or f"{spec.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-preview"
    task, text = _task(spec, config, name)
    offers, unknown = _offers(sky, task)
    estimate = estimate_of(config, offers)
    return LaunchPlan(
        instance_name=name,
        spec=spec,
        task_yaml=text,
        offers=offers,
        offers_unknown=unknown,
        estimate=estimate,
        over_budget=_over_budget(estimate),
        warnings=tuple(_warnings(spec, config)),
    )


def _task(spec: TrainAndEvalSpec, config: SkypilotJobConfig, name: str) -> tuple[Task, str]:
    """The task, and its YAML with the places that its files will have."""
    with TemporaryDirectory(prefix="axiom-preview-") as folder:
        run = RunDirectory(Path(folder) / name)
        begin_run(spec, run)
        task = task_of(
            config,
            run,
            "train",
            workdir=JobFolder(run.stage("train") / JOB_FOLDER, "train").workdir,
            threads=spec.system.torch_threads,
            bootstrap=SET_AT_LAUNCH,
            secrets=dict.fromkeys(config.secrets, HIDDEN),
            mounts=mounts_of(spec, axiom_home() / "runs"),
        )
    return task, preview(task).replace(folder, str(axiom_home() / "runs"))


def _offers(sky: SkyPilot, task: Task) -> tuple[tuple[Offer, ...], str | None]:
    # Only what bears on price and place: no file needs to be there for it.
    asked = {key: task[key] for key in ("name", "num_nodes", "resources", "run") if key in task}
    try:
        return tuple(sky.offers(asked)), None
    except SkyPilotError as error:
        return (), f"{error.said.rstrip('. ')}; {error.remedy}"


def _over_budget(estimate: Estimate) -> Problem | None:
    try:
        estimate.within_budget()
    except Refused as refused:
        return refused.problems[0]
    return None


def _warnings(spec: TrainAndEvalSpec, config: SkypilotJobConfig) -> Iterator[str]:
    """What is allowed and is hardly meant."""
    if config.gpus and spec.system.device == "cpu":
        yield (
            f"{config.gpus} GPUs are paid for, but system.device = 'cpu' leaves them idle; "
            "give --set system.device=auto, or --gpus=0"
        )
