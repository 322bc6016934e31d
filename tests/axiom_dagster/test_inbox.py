"""A spec file in the inbox becomes one run; nothing dropped is lost, and a bad file says why it is bad."""

import os
import time
from pathlib import Path

import dagster as dg
import pytest

from axiom_dagster.definitions import defs
from axiom_dagster.inbox import RUN_KEY_TAG
from trainer.contract import TrainAndEvalSpec, create_quick_experiment, save_experiment_spec

SENSOR = defs.resolve_sensor_def("inbox")


def tick(instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    with dg.build_sensor_context(instance=instance) as context:
        return list(SENSOR.evaluate_tick(context).run_requests or [])


def launch(instance: dg.DagsterInstance, requests: list[dg.RunRequest]) -> None:
    """What the daemon does between two ticks."""
    job = defs.resolve_job_def("train_and_eval")
    for request in requests:
        instance.create_run_for_job(job, run_config=request.run_config, tags={RUN_KEY_TAG: request.run_key or ""})


@pytest.fixture
def inbox(home: Path) -> Path:
    (home / "inbox").mkdir(parents=True)
    return home / "inbox"


def settled(file: Path, seconds: float = 5.0) -> Path:
    os.utime(file, (time.time() - seconds, time.time() - seconds))
    return file


@pytest.mark.parametrize("ending", [".yaml", ".yml", ".json"])
def test_a_good_file_becomes_a_run_of_its_very_spec(inbox: Path, instance: dg.DagsterInstance, ending: str) -> None:
    spec = create_quick_experiment(controls={"seed": 7})
    settled(save_experiment_spec(spec, inbox / f"mine{ending}"))
    (request,) = tick(instance)
    config = dg.validate_run_config(defs.resolve_job_def("train_and_eval"), request.run_config)
    assert TrainAndEvalSpec.accept(config["ops"]["train"]["config"]).spec_hash == spec.spec_hash


def test_a_file_is_moved_only_once_its_run_exists(inbox: Path, instance: dg.DagsterInstance) -> None:
    file = settled(save_experiment_spec(create_quick_experiment(), inbox / "mine.yaml"))
    first, again = tick(instance), tick(instance)
    assert [request.run_key for request in first] == [request.run_key for request in again]
    assert file.exists()
    launch(instance, first)
    assert tick(instance) == []
    assert not file.exists()
    assert (inbox / "launched" / "mine.yaml").exists()


def test_the_same_file_dropped_again_is_a_new_run(inbox: Path, instance: dg.DagsterInstance) -> None:
    for seconds in (50, 40):
        settled(save_experiment_spec(create_quick_experiment(), inbox / "mine.yaml"), seconds)
        requests = tick(instance)
        assert len(requests) == 1
        launch(instance, requests)
        assert tick(instance) == []


def test_a_bad_file_is_moved_aside_with_its_error(inbox: Path, instance: dg.DagsterInstance) -> None:
    (inbox / "bad.yaml").write_text("trainer: {batchsize: 3}\n")
    (inbox / "torn.json").write_text('{"name": ')
    (inbox / "strange.yaml").write_text("trainer: {curriculum: {env: {id: CartPole-v9}}}\n")
    for name in ("bad.yaml", "torn.json", "strange.yaml"):
        settled(inbox / name)
    settled(save_experiment_spec(create_quick_experiment(), inbox / "good.yaml"))
    assert len(tick(instance)) == 1
    assert "did you mean 'batch_size'" in (inbox / "refused" / "bad.yaml.error.txt").read_text()
    assert "did you mean 'CartPole-v1'" in (inbox / "refused" / "strange.yaml.error.txt").read_text()
    assert "not JSON" in (inbox / "refused" / "torn.json.error.txt").read_text()
    assert sorted(file.name for file in inbox.iterdir()) == ["good.yaml", "refused"]


def test_a_file_that_is_still_being_written_waits(inbox: Path, instance: dg.DagsterInstance) -> None:
    file = inbox / "half.yaml"
    file.write_text("trainer: {batch")
    os.utime(file, (time.time() + 30, time.time() + 30))
    assert tick(instance) == []
    assert file.exists()


def test_other_files_are_left_alone(inbox: Path, instance: dg.DagsterInstance) -> None:
    for name in ("notes.txt", ".hidden.yaml"):
        settled(inbox / name if (inbox / name).write_text("x") else inbox)
    assert tick(instance) == []
    assert sorted(file.name for file in inbox.iterdir()) == [".hidden.yaml", "notes.txt"]


def test_without_an_inbox_nothing_happens(home: Path, instance: dg.DagsterInstance) -> None:
    assert tick(instance) == []
    assert not home.exists()
