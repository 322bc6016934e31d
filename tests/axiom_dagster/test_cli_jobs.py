"""`axiom jobs`, and the options of `axiom run` that rent: what they answer, and what they refuse before it costs."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner, Result

from axiom_dagster.cli.app import app
from axiom_dagster.rented import owned_jobs, run_of_job
from resources.home import dagster_instance
from resources.manifest_store import INSTANCE_NAME_TAG
from resources.skypilot.job_record import JobFolder, JobRecord
from resources.skypilot.remote import RemoteJob, SkyPilotError
from resources.skypilot.service import SkyPilotService
from tests.resources.skypilot.fake_skypilot import FakeSkyPilot
from trainer.contract import Refused, RunDirectory


@pytest.fixture
def sky(tmp_path: Path) -> Iterator[FakeSkyPilot]:
    fake = FakeSkyPilot(tmp_path / "sky", hourly_dollars=3.6)
    yield fake
    fake.end()


@dg.op
def nothing() -> None:
    """Nothing."""


@dg.job
def idle() -> None:
    """A job to make runs of."""
    nothing()


def axiom(*words: str, sky: Any = None) -> Result:
    return CliRunner().invoke(app, list(words), obj=SkyPilotService(sky) if sky else None)


def last_line(result: Result) -> dict[str, Any]:
    return json.loads(result.stdout.splitlines()[-1])


def launched(sky: FakeSkyPilot, folder: Path, name: str, script: str = "true") -> RemoteJob:
    (folder / "workdir").mkdir(exist_ok=True)
    task = {"name": name, "resources": {}, "envs": {}, "setup": "true", "run": script, "file_mounts": {}}
    return SkyPilotService(sky).launch({**task, "workdir": str(folder / "workdir")})


def recorded(home: Path, instance_name: str, job: RemoteJob, run_id: str) -> JobFolder:
    """What a launch leaves in the run directory."""
    folder = JobFolder.of(RunDirectory(home / "runs" / instance_name), "train")
    record = JobRecord(
        name=job.name,
        mode=job.mode,
        state="launched",
        run_id=run_id,
        intended_at=datetime.now(UTC),
        job=job,
        dollars_per_hour=3.6,
    )
    folder.write(record)
    return folder


def test_no_jobs_is_no_error(home: Path, sky: FakeSkyPilot) -> None:
    assert axiom("jobs", sky=sky).stdout.strip() == "no jobs"
    assert last_line(axiom("jobs", "--json", sky=sky)) == {"jobs": []}


def test_jobs_are_listed_with_their_state_cost_and_run(home: Path, sky: FakeSkyPilot, tmp_path: Path) -> None:
    with dagster_instance() as instance:
        tags = {INSTANCE_NAME_TAG: "quick-1"}
        run_id = instance.create_run_for_job(idle, status=dg.DagsterRunStatus.STARTED, tags=tags).run_id
    job = sky.wait_for(launched(sky, tmp_path, "axiom-quick-1-train"))
    sky.wait_for(launched(sky, tmp_path, "axiom-stranger-1-train", "exit 1"))
    recorded(home, "quick-1", job, run_id)

    stranger, ours = last_line(axiom("jobs", "--json", sky=sky))["jobs"]

    assert job.started_at is not None and job.ended_at is not None
    cost = 3.6 * (job.ended_at - job.started_at).total_seconds() / 3600
    assert ours["dollars"] == pytest.approx(cost)
    assert (ours["name"], ours["state"], ours["run_id"], ours["run_status"]) == (
        job.name,
        "succeeded",
        run_id,
        "running",
    )
    assert (stranger["state"], stranger["run_id"], stranger["dollars"]) == ("failed", None, None)
    shown = axiom("jobs", sky=sky).stdout
    assert f"{run_id[:8]} running" in shown
    assert "of no run here" in shown


def test_a_log_is_printed(home: Path, sky: FakeSkyPilot, tmp_path: Path) -> None:
    sky.wait_for(launched(sky, tmp_path, "axiom-quick-1-train", "echo one; echo two"))
    assert axiom("jobs", "logs", "quick-1", sky=sky).stdout == "one\ntwo\n"
    assert last_line(axiom("jobs", "logs", "1", "--json", sky=sky)) == {
        "job": "axiom-quick-1-train",
        "lines": ["one", "two"],
    }


def test_a_job_is_cancelled(home: Path, sky: FakeSkyPilot, tmp_path: Path) -> None:
    job = launched(sky, tmp_path, "axiom-quick-1-train", "sleep 60")
    assert last_line(axiom("jobs", "cancel", "quick-1", "--json", sky=sky))["job"]["name"] == job.name
    assert sky.wait_for(job).state == "cancelled"
    assert axiom("jobs", "cancel", "quick-1", sky=sky).stdout == f"{job.name}: cancelled\n"


@pytest.mark.parametrize("verb", ["logs", "cancel"])
def test_an_unknown_job_is_refused(home: Path, sky: FakeSkyPilot, verb: str) -> None:
    result = axiom("jobs", verb, "quick-1", "--json", sky=sky)
    assert result.exit_code == 2
    assert "no such job of ours" in last_line(result)["error"]


def test_skypilot_that_cannot_be_asked_is_one_clear_error(home: Path) -> None:
    class Silent:
        def jobs(self) -> list[RemoteJob]:
            raise SkyPilotError("jobs", "connection refused", "run `sky api start`")

    result = axiom("jobs", "--json", sky=Silent())
    assert (result.exit_code, last_line(result)["remedy"]) == (1, "run `sky api start`")
    assert "failed: jobs: SkyPilot said: connection refused" in result.stderr


def test_a_run_is_found_by_its_job_without_asking_skypilot(home: Path, sky: FakeSkyPilot, tmp_path: Path) -> None:
    job = sky.wait_for(launched(sky, tmp_path, "axiom-quick-1-train"))
    with dagster_instance() as instance:
        run_id = instance.create_run_for_job(idle, tags={INSTANCE_NAME_TAG: "quick-1"}).run_id
        recorded(home, "quick-1", job, run_id)
        for name in (job.name, str(job.job_id), "quick-1", run_id):
            assert run_of_job(name, instance).run_id == run_id
        recorded(home, "quick-2", job.model_copy(update={"name": "axiom-quick-2-train"}), run_id)
        with pytest.raises(Refused, match="several jobs; give the run's name: quick-1, quick-2"):
            run_of_job(job.job_id, instance)
        assert [each.run_id for each in owned_jobs(SkyPilotService(sky), instance)] == [run_id]


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (["--gpus", "8"], "--compute"),
        (["--spot=false"], "--compute"),
        (["--job", "infra=aws"], "--compute"),
        (["--compute", "skypilot", "--job", "infra"], "--job"),
        (["--compute", "skypilot", "--gpus", "8", "--job", "gpus=4"], "--job gpus"),
        (["--compute", "skypilot", "--nodes", "0"], "nodes"),
        (["--compute", "skypilot", "--job", "acelerator=H100"], "SkypilotJobConfig"),
        (["--no-launch", "--set", "trainer.curriculum.env={id: CartPol-v1}"], "trainer.curriculum.env.id"),
        (["--no-launch", "--resume", "quick-1"], "--no-launch"),
    ],
)
def test_what_would_do_nothing_or_is_wrong_is_refused(home: Path, words: list[str], path: str) -> None:
    result = axiom("run", *([] if "--resume" in words else ["quick"]), *words, "--json")
    assert (result.exit_code, last_line(result)["problems"][0]["path"]) == (2, path), result.stderr
    assert not home.exists()


def test_eight_gpus_are_one_flag_away(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYPILOT_API_SERVER_ENDPOINT", "http://127.0.0.1:9")
    here = last_line(axiom("run", "quick", "--no-launch", "--json"))
    assert (here["plans"], here["local_command"]) == ([], "axiom run quick")
    words = ["--compute", "skypilot", "--gpus", "8", "--spot=false", "--job", "accelerator=H100", "--set", "name=big"]
    rented = last_line(axiom("run", "quick", "--no-launch", "--json", *words))
    assert rented["local_command"] == "axiom run quick --set=name=big"
    (plan,) = rented["plans"]
    assert "    H100: 8\n" in plan["task_yaml"]
    assert "use_spot: false" in plan["task_yaml"]
    assert plan["spec_hash"] == rented["spec_hash"]
    assert plan["offers_unknown"]
    assert not home.exists()


def test_a_plan_of_this_machine_is_its_spec_and_its_command(home: Path) -> None:
    shown = axiom("run", "quick", "--no-launch").stdout
    assert shown.startswith("# the spec, sha256:")
    assert shown.endswith("# to try it on this machine\naxiom run quick\n")
