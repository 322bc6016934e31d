"""The numbers that Dagster plots have the same names at each stage, and what is missing stays missing."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.numbers import numbers
from resources.skypilot.job_record import JobFolder, JobRecord
from resources.skypilot.remote import JobState, RemoteJob
from trainer.contract import Episode, Interval, Manifest, RunDirectory, SimulationResult

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def manifest(stage="train", **fields) -> Manifest:
    common = {"instance_name": "a", "status": "succeeded", "started_at": BEGAN, "spec": {}, "spec_hash": "sha256:0"}
    return Manifest(**{**common, "stage": stage, "ended_at": BEGAN + timedelta(seconds=90), **fields})


def result(reward: float) -> SimulationResult:
    interval, episodes = Interval(mean=reward, low=reward, high=reward), (Episode(seed=1, reward=reward, length=1),)
    none = Interval(mean=0.0, low=0.0, high=0.0)
    return SimulationResult(
        mean_reward=reward, reward=interval, random_reward=none, episodes=episodes, random_episodes=episodes
    )


def rented(run: RunDirectory, dollars_per_hour: float | None) -> None:
    job = RemoteJob(
        job_id=7,
        mode="managed",
        name="a-train",
        cluster=None,
        state=JobState.SUCCEEDED,
        started_at=BEGAN,
        ended_at=BEGAN + timedelta(minutes=30),
    )
    record = JobRecord(
        name="a-train", mode="managed", state="launched", run_id="r", intended_at=BEGAN, job=job,
        dollars_per_hour=dollars_per_hour,
    )  # fmt: skip
    JobFolder.of(run, "train").write(record)


def test_a_training_here_costs_nothing_that_is_known(tmp_path: Path) -> None:
    found = numbers(manifest(metrics={"reward": 2.0, "steps_per_second": 300.0}), RunDirectory(tmp_path))
    assert found == {"reward": 2.0, "steps_per_second": 300.0, "duration_seconds": 90.0}
    assert not (tmp_path / "train").exists()


@pytest.mark.parametrize(("price", "cost"), [(4.0, 2.0), (None, None)])
def test_a_rented_training_costs_price_times_time(tmp_path: Path, price: float | None, cost: float | None) -> None:
    run = RunDirectory(tmp_path)
    rented(run, price)
    assert numbers(manifest(), run).get("cost_dollars") == cost


def test_an_evaluations_reward_is_the_mean_over_its_simulations(tmp_path: Path) -> None:
    found = numbers(manifest("evaluate", eval_results={"a": result(1.0), "b": result(4.0)}), RunDirectory(tmp_path))
    assert (found["reward"], found["a/mean_reward"], found["b/mean_reward"]) == (2.5, 1.0, 4.0)
    assert "a/times_random" not in found


def test_what_is_missing_or_not_finite_is_left_out(tmp_path: Path) -> None:
    # A record from elsewhere: ours refuse what is not finite.
    torn = manifest().model_copy(update={"metrics": {"reward": math.nan, "updates": None, "seconds": 1.0}})
    assert numbers(torn, RunDirectory(tmp_path)) == {"seconds": 1.0, "duration_seconds": 90.0}
