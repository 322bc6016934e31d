"""Every compute runs the trainer by the same contract; the local one stops what it started."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.compute import Compute, ComputeResource
from resources.in_process_compute import InProcessCompute
from resources.local_compute import LocalCompute
from resources.outcome import manifest_of_ended_process
from resources.skypilot.job_config import SkypilotJobConfig
from trainer.contract import (
    RunDirectory,
    create_quick_experiment,
    read_manifest,
    save_experiment_spec,
)


@pytest.fixture(params=["local", "in_process"])
def compute(request: pytest.FixtureRequest, fake_trainer_environment: dict[str, str]) -> Compute:
    if request.param == "local":
        return LocalCompute(env=fake_trainer_environment, grace_seconds=5.0)
    return InProcessCompute(module="fake_trainer")


def directory(tmp_path: Path, **fields: Any) -> RunDirectory:
    run = RunDirectory(tmp_path / "runs" / "quick-1")
    save_experiment_spec(create_quick_experiment(**fields), run.spec_file)
    return run


def in_a_step(action: Callable[[dg.AssetExecutionContext], Any], retries: bool = False) -> dg.ExecuteInProcessResult:
    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1) if retries else None)
    def step(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        action(context)
        return dg.MaterializeResult()

    return dg.materialize([step], raise_on_error=False)


def failure_of(result: dg.ExecuteInProcessResult) -> Any:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data


def test_a_stage_returns_the_manifest_that_it_wrote(compute: Compute, tmp_path: Path) -> None:
    run, found = directory(tmp_path), []
    result = in_a_step(lambda context: found.append(compute.run(context, "train", run)))
    assert result.success
    assert found == [read_manifest(run.manifest_file("train"))]
    assert (found[0].instance_name, found[0].run_id, found[0].status) == ("quick-1", result.run_id, "succeeded")


def test_an_evaluation_is_of_the_manifest_it_was_given(compute: Compute, tmp_path: Path) -> None:
    other, run, found = directory(tmp_path / "other"), directory(tmp_path), []
    in_a_step(lambda context: compute.run(context, "train", other))
    path = other.manifest_file("train")
    in_a_step(lambda context: found.append(compute.run(context, "evaluate", run, path)))
    assert found[0].parents == {"train": read_manifest(path).digest}
    assert not run.manifest_file("train").exists()


def test_a_stage_that_fails_fails_the_step_and_leaves_its_manifest(compute: Compute, tmp_path: Path) -> None:
    run = directory(tmp_path, description="fail train")
    result = in_a_step(lambda context: compute.run(context, "train", run))
    assert "the loss is gone" in str(failure_of(result))
    assert read_manifest(run.manifest_file("train")).status == "failed"


def test_an_error_in_this_process_reaches_the_event_log_without_its_secrets(
    fake_trainer_environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "loss is gone")
    compute, run = InProcessCompute(module="fake_trainer"), directory(tmp_path, description="fail train")
    result = in_a_step(lambda context: compute.run(context, "train", run))
    assert "RuntimeError: the [secret]" in failure_of(result).user_failure_data.description
    words = [str(event) for event in result.all_events]
    assert not any("RuntimeError: the loss is gone" in each for each in words)


def test_a_refusal_is_never_retried_and_keeps_its_words(compute: Compute, tmp_path: Path) -> None:
    run = directory(tmp_path, description="refuse train")
    result = in_a_step(lambda context: compute.run(context, "train", run), retries=True)
    assert "trainer.device = 'tpu': no such device" in failure_of(result).user_failure_data.description
    assert not [event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY]


def test_a_failure_that_is_no_refusal_may_be_retried(compute: Compute, tmp_path: Path) -> None:
    run = directory(tmp_path, description="fail train")
    result = in_a_step(lambda context: compute.run(context, "train", run), retries=True)
    assert [event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY]


def test_words_of_the_trainer_reach_the_log_of_the_run(compute: Compute, tmp_path: Path) -> None:
    run = directory(tmp_path)

    @dg.asset
    def step(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        compute.run(context, "train", run)
        return dg.MaterializeResult()

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([step], instance=instance)
        messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
        materialized = [event for event in result.all_events if event.is_step_materialization]
    assert any("train 1/1 (100%)" in message for message in messages)
    assert len(materialized) == 1


def test_a_failed_trainers_last_words_stand_in_the_failure(
    fake_trainer_environment: dict[str, str], tmp_path: Path
) -> None:
    run = directory(tmp_path, description="fail train")
    local = LocalCompute(env=fake_trainer_environment)
    data = failure_of(in_a_step(lambda context: local.run(context, "train", run))).user_failure_data
    assert "failed with code 1: RuntimeError: the loss is gone" in data.description
    assert "failed: the loss is gone" in data.description
    assert data.metadata["console"].value == str(run.stage("train") / "console.log")


def test_a_trainer_that_ends_well_without_a_manifest_fails_the_step(
    fake_trainer_environment: dict[str, str], tmp_path: Path
) -> None:
    local = LocalCompute(env={**fake_trainer_environment, "NO_MANIFEST": "1"})
    run = directory(tmp_path)
    data = failure_of(in_a_step(lambda context: local.run(context, "train", run)))
    assert "no such file; did this stage finish?" in data.user_failure_data.description


@pytest.mark.parametrize(
    ("code", "saved", "says"),
    [
        (75, True, "was told to stop and saved its state (code 75): `axiom run --resume quick-1` goes on from update_"),
        (143, False, "was told to stop with nothing to go on from (code 143): `axiom run --resume quick-1` begins it"),
        (-9, True, "was killed by SIGKILL (code -9): `axiom run --resume quick-1` goes on from update_000004.pt."),
        (-9, False, "was killed by SIGKILL (code -9): `axiom run --resume quick-1` begins it anew."),
    ],
)
def test_a_trainer_that_was_stopped_from_outside_is_explained_with_what_to_do(
    tmp_path: Path, code: int, saved: bool, says: str
) -> None:
    run, console = directory(tmp_path), tmp_path / "console.log"
    console.write_text("the last words\n")
    if saved:
        run.checkpoints.mkdir(parents=True)
        (run.checkpoints / "update_000004.pt").touch()
    with pytest.raises(dg.Failure) as failure:
        manifest_of_ended_process(code, run, "train", console)
    assert str(failure.value.description).startswith(f"train of quick-1 {says}")
    assert str(failure.value.description).endswith("the last words")
    assert failure.value.allow_retries


def test_the_trainer_knows_how_long_it_has_after_a_sigterm(tmp_path: Path) -> None:
    assert LocalCompute(grace_seconds=7.5).environment(directory(tmp_path))["AXIOM_GRACE_SECONDS"] == "7.5"


def test_an_interpreter_that_is_not_there_fails_the_step(tmp_path: Path) -> None:
    run = directory(tmp_path)
    result = in_a_step(lambda context: LocalCompute(python="no-such-python").run(context, "train", run))
    assert "no-such-python" in str(failure_of(result))


def test_the_threads_of_the_spec_bind_the_process(fake_trainer_environment: dict[str, str], tmp_path: Path) -> None:
    run = directory(tmp_path, system={"torch_threads": 3})
    in_a_step(lambda context: LocalCompute(env=fake_trainer_environment).run(context, "train", run))
    assert "threads: 3" in (run.stage("train") / "console.log").read_text()


@pytest.mark.parametrize("stubborn", [False, True])
def test_an_interrupt_stops_the_trainer_and_its_workers(
    fake_trainer_environment: dict[str, str], tmp_path: Path, stubborn: bool
) -> None:
    run = directory(tmp_path, description="hang train")
    environment = {**fake_trainer_environment, **({"STUBBORN": "1"} if stubborn else {})}
    local = LocalCompute(env=environment, grace_seconds=1.0)
    processes = run.stage("train") / "processes.json"
    interrupter = threading.Thread(target=lambda: (wait_for(processes.exists), os.kill(os.getpid(), signal.SIGINT)))
    interrupter.start()
    result = in_a_step(lambda context: local.run(context, "train", run))
    interrupter.join()
    assert not result.success
    assert all(wait_for(lambda pid=pid: not runs(pid)) for pid in json.loads(processes.read_text()))


def test_config_chooses_the_backend_in_selector_form() -> None:
    chosen: list[Any] = []

    @dg.asset
    def step(compute: ComputeResource) -> None:
        chosen.append(compute.backend)

    def run(config: dict[str, Any]) -> bool:
        resources = {"resources": {"compute": {"config": config}}} if config else {}
        return dg.materialize([step], resources={"compute": ComputeResource()}, run_config=resources).success

    assert run({})
    assert run({"backend": {"local": {"grace_seconds": 1.5}}})
    assert run({"backend": {"in_process": {}}})
    assert run({"backend": {"skypilot": {"gpus": 2, "secrets": ["WANDB_API_KEY"], "budget_dollars": 3.5}}})
    *others, rented = chosen
    assert others == [LocalCompute(), LocalCompute(grace_seconds=1.5), InProcessCompute()]
    assert rented.job() == SkypilotJobConfig(gpus=2, secrets=("WANDB_API_KEY",), budget_dollars=3.5)
    with pytest.raises(dg.DagsterInvalidConfigError, match="slurm"):
        run({"backend": {"slurm": {}}})


def test_what_cannot_be_rented_is_refused_before_any_step_begins() -> None:
    begun: list[Any] = []

    @dg.asset
    def step(compute: ComputeResource) -> None:
        begun.append(compute)

    config = {"resources": {"compute": {"config": {"backend": {"skypilot": {"nodes": 0}}}}}}
    with pytest.raises(dg.DagsterResourceFunctionError) as raised:
        dg.materialize([step], resources={"compute": ComputeResource()}, run_config=config)
    assert "nodes = 0: should be greater than or equal to 1" in str(raised.value.__cause__)
    assert begun == []


def test_a_folder_named_trainer_in_the_working_directory_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "__init__.py").touch()
    (tmp_path / "trainer" / "__main__.py").write_text("raise SystemExit(77)\n")
    local = LocalCompute()
    run = directory(tmp_path)
    command = local._command("train", run, None)
    ended = subprocess.run(
        [*command, "--help"], cwd=tmp_path, env=local.environment(run), capture_output=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert sys.executable == command[0]


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_manifest_of_another_run_is_not_taken_for_this_ones(
    fake_trainer_environment: dict[str, str], tmp_path: Path
) -> None:
    run = directory(tmp_path)
    in_a_step(lambda context: LocalCompute(env=fake_trainer_environment).run(context, "train", run))
    moved = run.path.rename(run.path.with_name("quick-2"))
    local = LocalCompute(env={**fake_trainer_environment, "NO_MANIFEST": "1"})
    data = failure_of(in_a_step(lambda context: local.run(context, "train", RunDirectory(moved))))
    assert "expected train of quick-2" in data.user_failure_data.description
