"""The Dagster side of a rented training, in this process or as a program that a test may kill at any moment."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from types import MappingProxyType
from typing import Any

import dagster as dg

from assets.launchpad import run_config_of
from assets.train import train_asset
from resources.exposed_ops import op_resources
from resources.home import dagster_instance
from resources.local_compute import LocalCompute
from resources.manifest_store import INSTANCE_NAME_TAG, RESUME_TAG, ManifestStore
from resources.skypilot.compute import RentedCompute
from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.job_record import JobFolder, JobRecord
from resources.skypilot.pipes_client import PipesSkyPilotClient
from resources.skypilot.remote import RemoteJob
from resources.skypilot.sdk_client import SdkSkyPilot
from resources.wandb.resource import WandbResource
from tests.held.held import FOLDER, Hold
from tests.resources.skypilot.fake_skypilot import FakeSkyPilot
from trainer.contract import Manifest, RunDirectory, TrainAndEvalSpec, read_manifest
from trainer.contract.code_files import TRAINER

# Where a spec is taken that can be held; its source travels with the job.
sys.path.append(FOLDER)

CARTPOLE: dict[str, Any] = {
    "name": "rented",
    "trainer": {
        "batch_size": 256,
        "minibatch_size": 64,
        "num_envs": 4,
        "curriculum": {"env": {"id": "CartPole-v1"}},
        "checkpoint": {"interval_updates": 5},
    },
    "agent": {"hidden_sizes": [16, 16]},
    "wandb": {"mode": "disabled"},
}


def cartpole(updates: int, changes: Mapping[str, Any] = MappingProxyType({})) -> TrainAndEvalSpec:
    """A spec that trains for so many short updates, with a checkpoint after each five."""
    return TrainAndEvalSpec.accept(
        {**CARTPOLE, **changes, "trainer": {**CARTPOLE["trainer"], "total_timesteps": 256 * updates}}
    )


@dataclass
class DagsterSide:
    """Runs of the asset `train` on one home and one SkyPilot."""

    home: Path
    sky: Any
    updates: int = 10
    config: Mapping[str, Any] = field(default_factory=dict)
    local: bool = False
    code: Path = TRAINER
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def hold(self) -> Hold:
        """How far its trainings may go."""
        return Hold(self.home / "hold")

    @property
    def job_config(self) -> SkypilotJobConfig:
        base = {"gpus": 0, "python": sys.executable, "poll_seconds": 0.2, "artifacts": str(self.home / "bucket")}
        base |= {"git_check": False}
        return SkypilotJobConfig.accept({**base, **self.config})

    def train(self, instance_name: str = "") -> dg.ExecuteInProcessResult:
        """Run it here to its end; with an instance name it goes on where the run of that name stopped."""
        client = PipesSkyPilotClient(self.sky, self.job_config, code=self.code, settle_seconds=0.5)
        compute = LocalCompute() if self.local else RentedCompute(client, LocalCompute())
        tags = {INSTANCE_NAME_TAG: instance_name, RESUME_TAG: instance_name} if instance_name else {}
        return dg.materialize(
            [train_asset()],
            resources={
                **op_resources(),
                "compute": compute,
                "manifests": ManifestStore(home=str(self.home)),
                "wandb": WandbResource(),
            },
            run_config=run_config_of(cartpole(self.updates, {**self.changes, "overrides": self.hold.overrides})),
            instance=dagster_instance(self.home),
            tags=tags,
            raise_on_error=False,
        )

    @contextmanager
    def started(self, instance_name: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """The same as a process of its own, killed at the end of the block if it still runs."""
        words = [
            str(self.home),
            json.dumps(described(self.sky)),
            str(self.updates),
            json.dumps(self.config),
            instance_name,
        ]
        with (self.home / "dagster_side.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.resources.skypilot.dagster_side", *words]
            with subprocess.Popen(command, stdout=log, stderr=log, cwd=Path(__file__).parents[3]) as process:
                try:
                    yield process
                finally:
                    process.kill()

    @property
    def run(self) -> RunDirectory:
        """The directory of the one run that there is."""
        (folder,) = (self.home / "runs").iterdir()
        return RunDirectory(folder)

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.run.manifest_file("train"))

    @property
    def record(self) -> JobRecord | None:
        return JobFolder.of(self.run, "train").read()

    @property
    def job(self) -> RemoteJob | None:
        """The newest job, as SkyPilot sees it."""
        return next(iter(self.sky.jobs()), None)

    @property
    def materializations(self) -> int:
        """How often `train` was ever materialized in this home."""
        with dagster_instance(self.home) as instance:
            return len(instance.fetch_materializations(dg.AssetKey("train"), limit=100).records)

    def words(self) -> str:
        """What all runs have said, and why they failed."""
        with dagster_instance(self.home) as instance:
            entries = [entry for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
        failed = [
            entry.dagster_event for entry in entries if entry.dagster_event and entry.dagster_event.is_step_failure
        ]
        why = [event.step_failure_data.user_failure_data for event in failed]
        return "\n".join([*(entry.user_message for entry in entries), *(each.description for each in why if each)])

    def visits(self) -> int:
        """How often a process has come to watch the job."""
        return sum(
            len(file.read_text().splitlines()) for file in self.home.glob("runs/*/train/skypilot/watchers.jsonl")
        )

    def updates_done(self) -> int:
        """How far the training of the newest job is: the lines of its metrics on its machine."""
        job = self.job
        found = self.sky.machine(job).glob("sky_workdir/.axiom/runs/*/train/metrics.jsonl") if job else ()
        return sum(len(file.read_text().splitlines()) for file in found)


def described(sky: Any) -> dict[str, Any]:
    """What another process needs to know to use the same SkyPilot, the fake or the real one."""
    if isinstance(sky, FakeSkyPilot):
        return {"folder": str(sky.folder), "launch_seconds": sky.launch_seconds}
    return {"environment": sky.environment}


def as_described(given: Mapping[str, Any]) -> Any:
    """The SkyPilot that was described."""
    if "environment" in given:
        return SdkSkyPilot(given["environment"])
    return FakeSkyPilot(Path(given["folder"]), launch_seconds=given["launch_seconds"])


def wait_for(condition: Callable[[], Any], seconds: float = 90) -> Any:
    """What `condition` returns once it is true."""
    end = monotonic() + seconds
    while not (found := condition()):
        assert monotonic() < end, f"still not after {seconds} s"
        sleep(0.05)
    return found


def main() -> None:
    """Run one training and end: with 0 if it succeeded."""
    from dagster._utils.interrupts import setup_interrupt_handlers

    home, sky, updates, config, instance_name = sys.argv[1:]
    setup_interrupt_handlers()
    side = DagsterSide(Path(home), as_described(json.loads(sky)), int(updates), json.loads(config))
    raise SystemExit(0 if side.train(instance_name).success else 1)


if __name__ == "__main__":
    main()
