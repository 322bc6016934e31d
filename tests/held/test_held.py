"""A training that is held stands still where it was told to, and pays what was earned when it goes on."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.held.held import FOLDER, Hold, updates_of
from trainer.contract import RunDirectory, TrainAndEvalSpec, begin_run, read_manifest

SPEC = {
    "trainer": {
        "total_timesteps": 64 * 20,
        "batch_size": 64,
        "minibatch_size": 64,
        "num_envs": 2,
        "curriculum": {"env": {"id": "CartPole-v1"}},
    },
    "agent": {"hidden_sizes": [8]},
    "wandb": {"mode": "disabled"},
}


@pytest.fixture
def hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hold:
    monkeypatch.syspath_prepend(FOLDER)
    return Hold(tmp_path / "hold")


def training(folder: Path, **fields: object) -> tuple[RunDirectory, "subprocess.Popen[bytes]"]:
    run = RunDirectory(folder)
    begin_run(TrainAndEvalSpec.accept({**SPEC, **fields}), run)
    command = [sys.executable, "-m", "trainer", "train", "--run-dir", str(run.path)]
    return run, subprocess.Popen(command, stdout=subprocess.DEVNULL)


def test_a_training_stands_at_its_update_until_it_is_released_and_its_weights_are_those_of_any(
    tmp_path: Path, hold: Hold
) -> None:
    hold.at({"held-*": 3, "*": 0})
    (held, process), (free, other) = (
        training(tmp_path / "held-1", overrides=hold.overrides),
        training(tmp_path / "free"),
    )
    assert other.wait(timeout=120) == 0
    end = time.monotonic() + 60
    while updates_of(held.metrics_file) != [1, 2, 3]:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.02)
    time.sleep(1.0)  # Time enough for all twenty.
    assert updates_of(held.metrics_file) == [1, 2, 3]
    hold.release()
    assert process.wait(timeout=60) == 0
    digests = {read_manifest(run.manifest_file("train")).weights_digest for run in (held, free)}
    assert len(digests) == 1


def test_a_line_that_is_only_half_written_is_no_update(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"update": 1}\n{"update": 2}\n{"upd')
    assert updates_of(tmp_path / "metrics.jsonl") == [1, 2]
    assert updates_of(tmp_path / "none.jsonl") == []
