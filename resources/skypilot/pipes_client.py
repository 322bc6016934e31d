"""A Dagster Pipes client for SkyPilot: a stage of a run as a remote job, from launch to manifest; never a lost job.

It imports no SkyPilot and holds none: all questions go through the seam.
"""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from resources.refusing import refusals_fail_the_step
from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.job_reader import JobLogReader
from resources.skypilot.job_record import JobFolder
from resources.skypilot.launching import SETTLE_SECONDS
from resources.skypilot.remote import RemoteJob, SkyPilot, SkyPilotError
from resources.skypilot.visit import Visit, metadata_of
from trainer.contract import Manifest, RunDirectory, Stage, Superseded
from trainer.contract.code_files import TRAINER

ENVIRONMENT: Mapping[str, str] = os.environ


class CompletedStage(dg.PipesClientCompletedInvocation):
    """A stage that succeeded remotely: its manifest, and the job as metadata. The materialization is the caller's."""

    def __init__(self, session: dg.PipesSession, manifest: Manifest, job: RemoteJob) -> None:
        super().__init__(session, metadata_of(job))  # pyright: ignore[reportUnknownMemberType]
        self.manifest, self.job = manifest, job


class PipesSkyPilotClient(dg.PipesClient):
    """Runs stages of runs as jobs on SkyPilot.

    `environment` is where the values of secrets come from, `code` the trainer's folder, whose repository travels;
    `settle_seconds` is how long a launch request of a process that was killed may take to show.
    """

    def __init__(
        self,
        sky: SkyPilot,
        config: SkypilotJobConfig,
        environment: Mapping[str, str] = ENVIRONMENT,
        code: Path = TRAINER,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._sky, self._config = sky, config
        self._environment, self._code, self._settle_seconds = environment, code, settle_seconds

    def run(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        *,
        context: dg.AssetExecutionContext,
        stage: Stage,
        run_directory: RunDirectory,
        extras: Mapping[str, Any] | None = None,
    ) -> CompletedStage:
        """Run `stage` on `run_directory`, whose `run.yaml` is written, and bring back what it leaves.

        A job of this stage that is there is taken up again, whoever launched it. A user's Terminate cancels the job
        and waits until it is gone; any other interrupt leaves it running for the next try. Both are raised again.
        Raises `dg.Failure` where the job failed, where SkyPilot could not launch it, where something is refused before
        that (without retries), and where another watcher has taken over.
        """
        folder = JobFolder.of(run_directory, stage)
        reader = JobLogReader(self._sky, folder, context.log.warning)
        visit = Visit(
            sky=self._sky,
            config=self._config,
            environment=self._environment,
            code=self._code,
            settle_seconds=self._settle_seconds,
            context=context,
            stage=stage,
            run=run_directory,
            folder=folder,
            reader=reader,
            lease=folder.watch(context.run.run_id),
        )
        with (
            _failing_the_step(),
            dg.open_pipes_session(
                context=context.op_execution_context,
                context_injector=dg.PipesEnvContextInjector(),
                message_reader=reader,
                extras=extras,
            ) as session,
        ):
            with visit.interrupted():
                job = visit.ended_job(session.get_bootstrap_env_vars())
                manifest = visit.outcome(job)
            return CompletedStage(session, manifest, job)


@contextmanager
def _failing_the_step() -> Generator[None]:
    """What SkyPilot could not do may be tried again; what was refused, and what another has taken over, may not."""
    try:
        with refusals_fail_the_step():
            yield
    except SkyPilotError as error:
        raise dg.Failure(str(error)) from error
    except Superseded as taken:
        raise dg.Failure(str(taken), allow_retries=False) from None
