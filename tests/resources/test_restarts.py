"""A trainer that was ended from outside is started again by its step, so often and no oftener."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import dagster as dg
import pytest

from resources.local_compute import LocalCompute
from trainer.contract import RunDirectory, create_quick_experiment, save_experiment_spec


def ended_by(number: signal.Signals, times: int, processes: Path) -> threading.Thread:
    """End so many trainers, one after the other, each as soon as it says that it waits."""

    def end() -> None:
        for _ in range(times):
            deadline = time.monotonic() + 30
            while not processes.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            (pid,) = json.loads(processes.read_text())
            processes.unlink()
            os.kill(pid, number)

    return threading.Thread(target=end)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_trainer_that_is_ended_from_outside_is_started_again_until_it_is_too_often(
    fake_trainer_environment: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    run = RunDirectory(tmp_path / "runs" / "quick-1")
    save_experiment_spec(create_quick_experiment(description="wait train"), run.spec_file)
    local = LocalCompute(env=fake_trainer_environment, max_restarts=2)
    ending = ended_by(number, 3, run.stage("train") / "processes.json")

    @dg.asset
    def step(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        local.run(context, "train", run)
        return dg.MaterializeResult()

    ending.start()
    result = dg.materialize([step], raise_on_error=False)
    ending.join()

    kinds = [event.event_type for event in result.all_events]
    assert kinds.count(dg.DagsterEventType.STEP_UP_FOR_RETRY) == 2
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "train of quick-1 was" in failed.step_failure_data.user_failure_data.description
    assert not result.asset_materializations_for_node("step")
