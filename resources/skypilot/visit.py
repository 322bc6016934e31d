"""One visit of a Dagster step to the job of its stage: find or launch, wait, bring back, or leave it for the next."""

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from resources.outcome import console_tail, manifest_left
from resources.skypilot.artifacts import bring_back, bring_back_with, require_writable
from resources.skypilot.costs import Estimate, estimate_of
from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.job_reader import JobLogReader
from resources.skypilot.job_record import JobFolder
from resources.skypilot.launching import IntendedJob, Launching, remove
from resources.skypilot.preflight import require_committed
from resources.skypilot.remote import JobState, RemoteJob, SkyPilot, SkyPilotError
from resources.skypilot.task import (
    Task,
    cluster_of,
    job_name,
    mounts_of,
    preview,
    remote_run_directory,
    secrets_of,
    task_of,
)
from resources.skypilot.watching import Watch
from resources.skypilot.workdir import stage_workdir
from trainer.contract import (
    Lease,
    Manifest,
    Refused,
    RunDirectory,
    Stage,
    TrainAndEvalSpec,
    load_experiment_spec,
    redacted,
    write_text,
)

ENDING = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)
CANCEL_POLL_SECONDS = 2.0
REFUSED_MARK = "refused: "

Metadata = dict[str, dg.MetadataValue]


@dataclass(frozen=True)
class Visit:
    """All that one visit needs; `lease` says whether it is still the latest one."""

    sky: SkyPilot
    config: SkypilotJobConfig
    environment: Mapping[str, str]
    code: Path
    settle_seconds: float
    context: dg.AssetExecutionContext
    stage: Stage
    run: RunDirectory
    folder: JobFolder
    reader: JobLogReader
    lease: Lease

    def ended_job(self, bootstrap: Mapping[str, str]) -> RemoteJob:
        """The stage's job when it has ended; `bootstrap` are the variables of Pipes, used if it is launched now."""
        launching = Launching(self.sky, self.folder, self.lease, self.context.log.info, self.settle_seconds)
        job = launching.adopt_or_launch(self._intended(bootstrap))
        self._announce(job)
        self.reader.follow(job)
        log = self.context.log
        watch = Watch(
            self.sky, self.config, self.lease, self.reader, self._estimate(), log.info, log.warning, self._note
        )
        job = watch.until_ended(job)
        self._drop_code()
        self.reader.drain()
        return job

    def outcome(self, job: RemoteJob) -> Manifest:
        """What the job left, brought into the run directory; raises `dg.Failure` where it did not succeed."""
        self.lease.hold()
        self.folder.console.touch()
        if job.state is not JobState.SUCCEEDED:
            self._save_what_there_is(job)
            raise self._failure(job)
        self._bring_back(job)
        self.lease.hold()
        return manifest_left(self.run, self.stage, self.folder.console)

    @contextmanager
    def interrupted(self) -> Generator[None]:
        """A user's Terminate removes the job; any other interrupt leaves it to the next try. Both go on."""
        try:
            yield
        except (dg.DagsterExecutionInterruptedError, KeyboardInterrupt):
            record = self.folder.read()
            if record is None:
                raise
            if self._is_cancelled():
                self.context.log.info(f"terminated: {record.name} is cancelled, and gone before this run ends")
                remove(self.sky, record, CANCEL_POLL_SECONDS, self.settle_seconds)
                self._drop_code()
                self.context.log.info(f"{record.name} is gone")
            else:
                self.context.log.warning(
                    f"this process was told to stop, and nobody asked for the end of {record.name}: it goes on, and "
                    "the next try of this run takes it up again; `axiom jobs` lists it"
                )
            raise

    def _is_cancelled(self) -> bool:
        run = self.context.instance.get_run_by_id(self.context.run.run_id)
        return run is not None and run.status in ENDING

    def _intended(self, bootstrap: Mapping[str, str]) -> IntendedJob:
        spec = load_experiment_spec(self.run.spec_file)
        return IntendedJob(
            name=job_name(self.run.instance_name, self.stage),
            mode=self.config.job_mode,
            cluster=cluster_of(self.config, spec.name),
            run_id=self.context.run.run_id,
            retry_number=self.context.retry_number,
            make_task=lambda: self._task(bootstrap, spec),
        )

    def _task(self, bootstrap: Mapping[str, str], spec: TrainAndEvalSpec) -> tuple[Task, float | None]:
        """The task and its price; refused here is what would only fail, or cost too much, over there."""
        require_committed(self.config, self.code)
        secrets = secrets_of(self.config, self.environment)
        if self.config.artifacts:
            require_writable(self.config.artifacts)
        workdir = stage_workdir(self.folder.workdir, self.run, self.code)
        task = task_of(
            self.config,
            self.run,
            self.stage,
            workdir=workdir,
            threads=spec.system.torch_threads,
            bootstrap=bootstrap,
            secrets=secrets,
            mounts=mounts_of(spec, self.run.path.parent),
        )
        estimate = self._estimate_of(task).within_budget()
        self.context.log.info(f"cost: {estimate}")
        write_text(self.folder.path / "task.yaml", preview(task))
        return task, estimate.dollars_per_hour

    def _estimate_of(self, task: Task) -> Estimate:
        if self.config.hourly_dollars is not None:
            return estimate_of(self.config, [])
        try:
            return estimate_of(self.config, self.sky.offers(task))
        except SkyPilotError as error:
            if self.config.budget_dollars is not None:
                raise
            self.context.log.warning(f"no price is known: {error.said}")
            return estimate_of(self.config, [])

    def _estimate(self) -> Estimate:
        """As it was when the job was launched, perhaps by another process."""
        record = self.folder.read()
        price = record.dollars_per_hour if record else None
        return estimate_of(self.config.model_copy(update={"hourly_dollars": price}), [])

    def _drop_code(self) -> None:
        """SkyPilot copies it at each recovery, so that it stays for as long as the job."""
        shutil.rmtree(self.folder.workdir, ignore_errors=True)

    def _announce(self, job: RemoteJob) -> None:
        """Tell what is known of the job while it runs: log, tags and an observation with its links."""
        self.context.log.info(
            f"job {job.job_id}, {job.name}: {job.state.value}"
            + (f" on {job.cluster}" if job.cluster else "")
            + (f"; {job.dashboard}" if job.dashboard else "")
        )
        tags = {"axiom/job": job.name, "axiom/job_id": str(job.job_id)}
        cluster = {"axiom/cluster": job.cluster} if job.cluster else {}
        self.context.instance.add_run_tags(self.context.run.run_id, {**tags, **cluster})
        self.context.log_event(dg.AssetObservation(asset_key=self.context.asset_key, metadata=metadata_of(job)))

    def _note(self, job: RemoteJob) -> None:
        record = self.folder.read()
        if record is not None:
            self.folder.write(record, job=job)

    def _bring_back(self, job: RemoteJob) -> None:
        if self.config.artifacts:
            bring_back(self.config.artifacts, self.run, self.stage)
        else:
            remote = remote_run_directory(self.run.instance_name)
            bring_back_with(lambda folder: self.sky.fetch(job, remote, folder), self.run, self.stage)

    def _save_what_there_is(self, job: RemoteJob) -> None:
        """Metrics and checkpoints of a job that failed; that they cannot be had is no news beside its failure."""
        try:
            self._bring_back(job)
        except (Refused, SkyPilotError) as error:
            self.context.log.warning(f"what {job.name} left could not be brought back: {error}")

    def _failure(self, job: RemoteJob) -> dg.Failure:
        tail = redacted(console_tail(self.folder.console))
        refused = [line for line in tail.splitlines() if REFUSED_MARK in line]
        if refused:
            text = f"the trainer refused its input:\n{tail}"
        else:
            said = job.failure or "no reason given"
            text = f"{job.name} (job {job.job_id}) {job.state.value}. SkyPilot said: {said}\nIts last words:\n{tail}"
        metadata = {**metadata_of(job), "console": dg.PathMetadataValue(self.folder.console)}
        return dg.Failure(text, metadata=metadata, allow_retries=not refused)


def metadata_of(job: RemoteJob) -> Metadata:
    """What people want to know of a job, with a link to SkyPilot's dashboard where there is one."""
    known: Metadata = {
        "job_id": dg.IntMetadataValue(job.job_id),
        "job": dg.TextMetadataValue(job.name),
        "cluster": dg.TextMetadataValue(job.cluster or "its own"),
        "resources": dg.TextMetadataValue(job.resources or "not known yet"),
    }
    return {**known, **({"dashboard": dg.UrlMetadataValue(job.dashboard)} if job.dashboard else {})}
