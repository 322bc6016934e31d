"""An experiment of one or more jobs: made, launched, loaded again; it computes nothing itself."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic

from pydantic import ValidationError
from typing_extensions import TypeVar

from axiom_dagster.experiment import TAG, TrainAndEvalExperiment
from axiom_dagster.preflight import check_spec
from axiom_dagster.recipes.configs import ExperimentConfig, TrainingJobConfig
from axiom_dagster.rented import rented_compute, run_of_job
from axiom_dagster.run_handle import RunHandle
from axiom_dagster.variants.experiment import Placed, VariantsExperiment, Watch, unwatched
from resources.declarations import Declaration
from resources.local_compute import LocalCompute
from resources.matrix import LAUNCH_TAG, Cell
from resources.skypilot.compute import SkyPilotCompute
from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.plan import LaunchPlan, plan_of
from resources.skypilot.preflight import require_ready
from resources.skypilot.remote import SkyPilot
from resources.skypilot.service import get_skypilot_service
from trainer.contract import Refused, RunDirectory, TrainAndEvalSpec, VariantRun, load_experiment_spec, set_values
from trainer.contract.override_text import set_overrides

ConfigT = TypeVar("ConfigT", bound=ExperimentConfig, default=Any)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingJob:
    """One job of an experiment: what is trained, on what, and its run as soon as there is one.

    `label` names it among several, and is its run's tag. Of a job that was loaded, `skypilot` is none.
    """

    label: str | None
    spec: TrainAndEvalSpec
    skypilot: SkypilotJobConfig | None = None
    run: RunHandle | None = None


class Experiment(Generic[ConfigT]):
    """A recipe: its config in, its jobs out; a subclass says which by `training_job_configs`."""

    def __init__(
        self,
        config: ConfigT,
        *,
        values: Sequence[str] = (),
        overrides: Sequence[str] = (),
        sky: SkyPilot | None = None,
    ) -> None:
        """In every job's spec, `values` (`path=value`) are set and `overrides` (`path=op`) made.

        `sky` is the SkyPilot that rents; none: this machine's.
        """
        self.config = config
        self._values, self._overrides = tuple(values), tuple(overrides)
        self._sky = sky

    def training_job_configs(self) -> list[TrainingJobConfig]:
        """The jobs; the config itself where it is one. Raises `Refused` where a recipe of several does not say."""
        if isinstance(self.config, TrainingJobConfig):
            return [self.config]
        name = type(self).__name__
        raise Refused.one(name, self.config.name, "does not say what to train; define training_job_configs()")

    def training_jobs(self) -> list[TrainingJob]:
        """The jobs as they would be launched, several of them as `job_1`, `job_2` …; raises `Refused`."""
        configs = self._configs()
        labels = [f"job_{number}" for number in range(1, len(configs) + 1)] if len(configs) > 1 else [None]
        return [self._job(label, config) for label, config in zip(labels, configs, strict=True)]

    def plans(self) -> list[LaunchPlan]:
        """What a launch of each job would be; nothing is launched. Raises `Refused`."""
        plans, sky = list[LaunchPlan](), get_skypilot_service(self._sky).sky
        for job in self.training_jobs():
            check_spec(job.spec)
            name = f"{self.config.instance_name}-{job.label}" if job.label else self.config.instance_name
            plans.append(plan_of(job.spec, job.skypilot or SkypilotJobConfig(), sky, instance_name=name))
        return plans

    def run(self, watch: Watch | None = None) -> list[TrainingJob]:
        """Load the jobs that the config names, else launch this experiment's; with `launch=False` only list them."""
        if self.config.previous_job_ids:
            return self.load_training_jobs(self.config.previous_job_ids)
        return self.launch_training_runs(watch) if self.config.launch else self.training_jobs()

    @property
    def goes_through_queue(self) -> bool:
        """Whether its jobs are runs of a matrix: they are where there are several.

        A SkyPilot that was given exists in this process only, so that its jobs run here, one after another.
        """
        return self._sky is None and len(self._configs()) > 1

    def launch_training_runs(self, watch: Watch | None = None) -> list[TrainingJob]:
        """Run every job to its end; a failed one does not keep the others from running.

        Several jobs go through Dagster's queue, as variants of an experiment of the config's name: those that have
        succeeded with the same spec are not run again. `watch` is shown them now and then. All that can be refused
        is, before the first begins. Raises `Refused`.
        """
        jobs = self.training_jobs()
        for job in jobs:
            check_spec(job.spec)
        if self.config.compute == "skypilot":
            require_ready(
                [(job.spec, job.skypilot) for job in jobs if job.skypilot], get_skypilot_service(self._sky).sky
            )
        return self._queued(jobs, watch) if self.goes_through_queue else self._one_after_another(jobs)

    def _queued(self, jobs: Sequence[TrainingJob], watch: Watch | None) -> list[TrainingJob]:
        runs = [VariantRun(variant=str(job.label), seed=job.spec.controls.seed, spec=job.spec) for job in jobs]
        ended = VariantsExperiment(Declaration(self.config.name, tuple(runs))).run(
            watch or unwatched,
            computes={str(job.label): self._placed(job) for job in jobs},
            launch=self.config.instance_name,
        )
        return [replace(job, run=standing.run) for job, standing in zip(jobs, ended, strict=True)]

    def _placed(self, job: TrainingJob) -> Placed:
        rented = job.skypilot if self.config.compute == "skypilot" else None
        return SkyPilotCompute(**rented.plain()) if rented else LocalCompute()

    def _one_after_another(self, given: Sequence[TrainingJob]) -> list[TrainingJob]:
        """After one that was cancelled no other begins; those have no run."""
        jobs = list(given)
        for number, job in enumerate(jobs):
            run = self._run(job)
            jobs[number] = replace(job, run=run)
            if run.status == "cancelled":
                logger.warning("%s was cancelled; %d more were not begun", run.instance_name, len(jobs) - number - 1)
                break
        return jobs

    def load_training_jobs(self, previous_job_ids: Sequence[str | int]) -> list[TrainingJob]:
        """Jobs of an earlier launch with their runs, for analysis: by the job's id or name, or by the run's.

        Raises `Refused` for one that no run of this home belongs to.
        """
        return [_loaded(run_of_job(job)) for job in previous_job_ids]

    def _configs(self) -> list[TrainingJobConfig]:
        try:
            return self.training_job_configs()
        except ValidationError as error:
            raise Refused.from_validation(error, error.title) from None

    def _job(self, label: str | None, config: TrainingJobConfig) -> TrainingJob:
        spec = set_overrides(set_values(config.training.spec(self.config.name), self._values), self._overrides)
        git_check = self.config.git_check and config.skypilot.git_check
        return TrainingJob(label, spec, config.skypilot.model_copy(update={"git_check": git_check}))

    def _run(self, job: TrainingJob) -> RunHandle:
        rented = job.skypilot if self.config.compute == "skypilot" else None
        compute = rented_compute(rented, self._sky) if rented else LocalCompute()
        tags = {LAUNCH_TAG: self.config.instance_name}
        return TrainAndEvalExperiment(job.spec).run(job.label, compute=compute, tags=tags)


def _loaded(run: RunHandle) -> TrainingJob:
    cell = Cell.of(run.tags)
    return TrainingJob(
        cell.variant if cell else run.tags.get(TAG),
        load_experiment_spec(RunDirectory(run.directory).spec_file),
        run=run,
    )
