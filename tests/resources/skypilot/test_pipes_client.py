"""Training through SkyPilot: the same result as here, one job for a run, nothing lost and nothing left."""

import random
import re
import signal
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.home import dagster_instance
from resources.skypilot.remote import JobState
from tests.resources.skypilot.dagster_side import DagsterSide, wait_for
from tests.resources.skypilot.fake_skypilot import FakeSkyPilot
from trainer.contract import RunDirectory, read_manifest

LONG = 120


@pytest.fixture
def side(tmp_path: Path, sky: FakeSkyPilot) -> DagsterSide:
    (tmp_path / "home").mkdir()
    return DagsterSide(tmp_path / "home", sky)


@pytest.fixture(scope="session")
def digest_here(tmp_path_factory: pytest.TempPathFactory):
    """The weights' digest of the same training on this machine, never interrupted."""
    known: dict[int, str | None] = {}

    def of(updates: int) -> str | None:
        if updates not in known:
            folder = tmp_path_factory.mktemp("here")
            side = DagsterSide(folder, FakeSkyPilot(folder / "sky"), updates, local=True)
            assert side.train().success
            known[updates] = side.manifest.weights_digest
        return known[updates]

    return of


def failure_of(result: dg.ExecuteInProcessResult) -> Any:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data.user_failure_data


@pytest.mark.parametrize("config", [{}, {"artifacts": ""}], ids=["managed, bucket", "cluster, copied"])
def test_a_rented_training_gives_what_a_training_here_gives(
    side: DagsterSide, digest_here: Any, config: dict[str, Any]
) -> None:
    side.config = config
    result = side.train()
    assert result.success, failure_of(result)
    assert side.manifest.weights_digest == digest_here(side.updates)
    assert side.manifest.compute is not None
    assert (side.manifest.compute.kind, side.manifest.run_id) == ("skypilot", result.run_id)
    assert (side.run.path / side.manifest.checkpoint.path).is_file()
    assert (side.sky.launches, side.materializations) == (1, 1)
    assert not (side.run.stage("train") / "skypilot" / "workdir").exists()


@pytest.mark.slow
def test_a_training_begins_with_the_checkpoint_of_another_run_over_there_as_here(side: DagsterSide) -> None:
    assert side.train().success
    name = side.run.instance_name
    side.updates, side.changes = 20, {"resume_from": {"run": name}}
    rented = side.train()
    assert rented.success, failure_of(rented)
    side.local = True
    assert side.train().success
    others = [RunDirectory(path) for path in (side.home / "runs").iterdir() if path.name != name]
    manifests = [read_manifest(run.manifest_file("train")) for run in others]
    assert sorted(manifest.compute.kind for manifest in manifests if manifest.compute) == ["local", "skypilot"]
    assert len({manifest.weights_digest for manifest in manifests}) == 1
    assert len({manifest.parents["resume_from"] for manifest in manifests}) == 1


@pytest.mark.slow
def test_the_log_of_the_run_has_the_progress_the_job_and_its_cost(side: DagsterSide) -> None:
    side.config = {"hourly_dollars": 36.0, "max_runtime_minutes": 60}
    result = side.train()
    words = side.words()
    for said in (
        "train 2,560/2,560 (100%)",
        "cost: $36.00 an hour, at most $36.00 (no budget)",
        "job 1, axiom-rented-",
        "job 1: running",
        "job 1: succeeded; $",
    ):
        assert said in words
    with dagster_instance(side.home) as instance:
        tags = instance.get_run_by_id(result.run_id).tags
        observed = instance.fetch_observations(dg.AssetKey("train"), limit=5).records
    assert (tags["axiom/job_id"], tags["axiom/job"]) == ("1", f"axiom-{side.run.instance_name}-train")
    assert [record.asset_observation.metadata["job_id"].value for record in observed] == [1]
    assert "did not receive" not in words


@pytest.mark.slow
def test_a_second_run_uses_the_cluster_again_and_has_a_job_of_its_own(side: DagsterSide) -> None:
    side.config = {"artifacts": ""}
    first, second = side.train(), side.train()
    assert first.success and second.success
    assert [job.cluster for job in side.sky.jobs()] == ["axiom-rented", "axiom-rented"]
    assert len({job.name for job in side.sky.jobs()}) == 2


@pytest.mark.slow
def test_after_a_kill_in_mid_training_the_next_try_takes_the_job_up_again(side: DagsterSide, digest_here: Any) -> None:
    side.updates = LONG
    side.hold.at({"*": 11})
    with side.started() as process:
        wait_for(lambda: side.updates_done() > 10)
        process.kill()
    side.hold.release()
    result = side.train(side.run.instance_name)
    assert result.success, failure_of(result)
    assert (side.sky.launches, side.materializations) == (1, 1)
    assert side.record is not None and side.record.run_id != result.run_id
    assert side.manifest.weights_digest == digest_here(LONG)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_lose_nothing_and_double_nothing(side: DagsterSide, digest_here: Any) -> None:
    side.updates, side.sky.launch_seconds, chance = 500, 0.7, random.Random(5)
    name, allowed = "", 0
    for kills in range(20):
        # The job may go on a little each time: it does not end before the last kill.
        side.hold.at({"*": (allowed := allowed + chance.randint(0, 20))})
        with side.started(name) as process:
            wait_for(lambda kills=kills: side.visits() > kills or process.poll() is not None)
            assert process.poll() is None, side.words()
            time.sleep(chance.uniform(0.0, 5.0))
            process.kill()
        name = side.run.instance_name
    assert side.job is not None and not side.job.state.final
    side.hold.release()
    result = side.train(name)
    assert result.success, failure_of(result)
    assert (side.sky.launches, side.materializations) == (1, 1)
    assert side.manifest.weights_digest == digest_here(side.updates)


def run_of(side: DagsterSide) -> dg.DagsterRun:
    with dagster_instance(side.home) as instance:
        (run,) = instance.get_runs(limit=1)
    return run


def test_terminating_the_run_ends_the_job_before_the_run_ends(side: DagsterSide) -> None:
    side.updates = 100_000
    with side.started() as process:
        wait_for(lambda: side.updates_done() > 2)
        with dagster_instance(side.home) as instance:
            instance.report_run_canceling(run_of(side))
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert run_of(side).status is dg.DagsterRunStatus.CANCELED
    assert side.job is not None and side.job.state is JobState.CANCELLED
    assert side.sky.processes() == []


@pytest.mark.slow
def test_a_process_that_is_merely_stopped_leaves_its_job_to_the_next_try(side: DagsterSide) -> None:
    side.updates = LONG
    side.hold.at({"*": 3})
    with side.started() as process:
        wait_for(lambda: side.updates_done() > 2)
        process.terminate()
        process.wait(60)
        assert side.job is not None and not side.job.state.final
    side.hold.release()
    assert "nobody asked for the end of axiom-rented-" in side.words()
    assert side.train(side.run.instance_name).success
    assert (side.sky.launches, side.materializations) == (1, 1)


@pytest.mark.slow
def test_a_preempted_job_goes_on_from_its_checkpoint_to_the_same_result(side: DagsterSide, digest_here: Any) -> None:
    side.updates = LONG
    side.hold.at({"*": 6})
    with side.started() as process:
        wait_for(lambda: list(side.home.glob("bucket/*/train/checkpoints/update_*.pt")))
        job = side.job
        assert job is not None
        side.sky.preempt(job)
        wait_for(lambda: side.sky.status(job).recoveries)
        side.hold.release()
        assert process.wait(120) == 0
    assert side.job is not None and side.job.recoveries == 1
    assert side.manifest.attempt == 2
    assert re.search(r"job 1: (recovering|running), recovered 1 time\(s\)", side.words())
    assert side.manifest.weights_digest == digest_here(LONG)
    assert (side.sky.launches, side.materializations) == (1, 1)


@pytest.mark.slow
def test_of_two_watchers_the_older_leaves_at_once_and_the_younger_stays_to_the_end(side: DagsterSide) -> None:
    side.updates = 100_000
    with side.started() as older:
        wait_for(lambda: side.updates_done() > 2)
        with side.started(side.run.instance_name) as younger:
            assert older.wait(60) == 1
            assert side.job is not None and not side.job.state.final
            assert "has been taken over" in side.words()
            side.sky.cancel(side.job)
            assert younger.wait(60) == 1
    assert "cancelled. SkyPilot said" in side.words()
    assert (side.sky.launches, side.materializations) == (1, 0)


def test_a_job_over_its_budget_is_refused_before_anything_is_rented(side: DagsterSide) -> None:
    side.config = {"hourly_dollars": 10, "max_runtime_minutes": 120, "budget_dollars": 19.99}
    said = failure_of(side.train())
    assert "skypilot.budget_dollars = 19.99: the job may cost $20.00" in said.description
    assert side.sky.launches == 0 and side.record is None


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"secrets": ["NO_SUCH_VARIABLE"]}, "skypilot.secrets = 'NO_SUCH_VARIABLE': is not set in this environment"),
        ({"artifacts": "/proc/axiom"}, "skypilot.artifacts = '/proc/axiom': cannot be written to"),
    ],
)
def test_what_would_fail_over_there_is_refused_here(side: DagsterSide, config: dict[str, Any], words: str) -> None:
    side.config = config
    assert words in failure_of(side.train()).description
    assert side.sky.launches == 0


def test_code_that_nobody_could_find_again_is_refused_unless_that_is_allowed(side: DagsterSide) -> None:
    side.code = side.home / "elsewhere" / "trainer"
    side.code.mkdir(parents=True)
    side.config = {"git_check": True}
    assert "is in no git checkout with a commit" in failure_of(side.train()).description
    assert side.sky.launches == 0


def test_a_launch_that_skypilot_refuses_fails_the_step_with_its_words(side: DagsterSide) -> None:
    side.sky.refuses = "ResourcesUnavailableError: no H100 in any region"
    said = failure_of(side.train())
    assert "SkyPilot said: ResourcesUnavailableError: no H100 in any region" in said.description
    assert side.sky.jobs() == []


def test_a_setup_that_fails_fails_the_step_with_the_last_words_of_the_job(side: DagsterSide) -> None:
    side.config = {"setup": "echo no such package: torhc; exit 7"}
    said = failure_of(side.train())
    assert "Job exited with code 7" in said.description
    assert "no such package: torhc" in said.description


def test_weights_that_were_changed_on_the_way_fail_the_step_and_do_not_come_here(side: DagsterSide) -> None:
    side.updates = LONG
    side.hold.at({"*": 3})
    with side.started() as process:
        wait_for(lambda: side.updates_done() > 2)
        process.kill()
    side.hold.release()
    job = side.job
    assert job is not None
    assert side.sky.wait_for(job).state is JobState.SUCCEEDED
    (weights,) = side.home.glob(f"bucket/*/train/checkpoints/update_{LONG:06d}.pt")
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    said = failure_of(side.train(side.run.instance_name))
    assert f"artifacts = 'train/checkpoints/{weights.name}': came back with the digest" in said.description
    assert not side.run.manifest_file("train").exists() and not side.run.checkpoints.exists()
    assert side.materializations == 0
