"""Runs a stage in a process group of its own on this machine, over Dagster Pipes; it never outlives that process."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

import dagster as dg
from pydantic import Field

import trainer
from resources.outcome import ended_from_outside, manifest_of_ended_process
from resources.wandb.resource import wandb_variables
from trainer.contract import Manifest, RunDirectory, Stage, load_experiment_spec

TRAINER_ROOT = Path(trainer.__file__ or "").parents[1]
PARENT_VARIABLE = "AXIOM_PARENT"
GRACE_VARIABLE = "AXIOM_GRACE_SECONDS"
KIND = {"AXIOM_COMPUTE": "local"}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class OneWriterReader(dg.PipesTempFileMessageReader):
    """Dagster's reader; saying here that there is one writer spares the warning that its default is a preview."""

    @property
    def expected_writer_count(self) -> int:
        """One process writes."""
        return 1


class LocalCompute(dg.Config):
    """The trainer as a subprocess on this machine."""

    kind: Literal["local"] = "local"
    python: str = Field(default="", description="Interpreter that runs the trainer; empty: the one that runs Dagster.")
    env: dict[str, str] = Field(default={}, description="Environment variables added to Dagster's own.")
    grace_seconds: float = Field(default=20.0, description="Seconds a terminated trainer has until it is killed.")
    max_restarts: int = Field(
        default=3, description="How often a step starts a trainer again that was ended from outside; it then goes on."
    )

    def run(
        self,
        context: dg.AssetExecutionContext,
        stage: Stage,
        run_directory: RunDirectory,
        train_manifest: Path | None = None,
    ) -> Manifest:
        """See `Compute.run`. What the trainer prints is kept in `<stage>/console.log`."""
        console = run_directory.stage(stage) / "console.log"
        console.parent.mkdir(parents=True, exist_ok=True)
        with dg.open_pipes_session(
            context=context.op_execution_context,
            context_injector=dg.PipesTempFileContextInjector(),
            message_reader=OneWriterReader(),
        ) as session:
            wandb = {name: value for name, value in wandb_variables(context).items() if name not in self.env}
            environment = {**self.environment(run_directory), **wandb, **session.get_bootstrap_env_vars()}
            code = self._wait(self._command(stage, run_directory, train_manifest), environment, console)
        try:
            return manifest_of_ended_process(code, run_directory, stage, console)
        except dg.Failure as failure:
            if ended_from_outside(code):
                raise dg.RetryRequested(max_retries=self.max_restarts) from failure
            raise

    def _command(self, stage: Stage, run_directory: RunDirectory, train_manifest: Path | None) -> list[str]:
        # -P: a folder named `trainer` in the working directory must not take the place of ours.
        command = [self.python or sys.executable, "-P", "-m", "trainer", stage, "--run-dir", str(run_directory.path)]
        return command if train_manifest is None else [*command, "--train", str(train_manifest)]

    def environment(self, run_directory: RunDirectory) -> dict[str, str]:
        """Of a trainer process: the threads that the run's spec asks for, and where the trainer is."""
        threads = str(load_experiment_spec(run_directory.spec_file).system.torch_threads)
        grace = {GRACE_VARIABLE: str(self.grace_seconds)}
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, threads), **grace, **self.env, **KIND}
        paths = [self.env.get("PYTHONPATH"), str(TRAINER_ROOT), os.environ.get("PYTHONPATH")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        return environment

    def _wait(self, command: list[str], environment: Mapping[str, str], console: Path) -> int:
        with console.open("wb") as output:
            process = subprocess.Popen(
                command,
                env={**environment, PARENT_VARIABLE: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return process.wait()
            finally:
                stop_group(process, self.grace_seconds)


def stop_group(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """End a process that leads its own group, and all that it started.

    Only the leader gets SIGTERM, so that it can reach its checkpoint and stop its workers in order; whatever is left of
    the group after the grace period is killed.
    """
    try:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=grace_seconds)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
