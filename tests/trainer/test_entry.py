"""`python -m trainer` alone: a spec file becomes a run directory with a trained, evaluated agent."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainer.contract import Manifest, RunDirectory, load_experiment_spec, read_manifest
from trainer.contract.checkpoints import saved_checkpoints

SPEC = (
    "trainer: {curriculum: {env: {id: CartPole-v1}}, batch_size: 64, minibatch_size: 64, num_envs: 4}\n"
    "wandb: {mode: disabled}\n"
)


def trainer(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "trainer", *words], capture_output=True, text=True, check=False)


def test_the_trainer_trains_and_evaluates_from_a_spec_file_without_dagster(tmp_path):
    spec, run = tmp_path / "spec.yaml", tmp_path / "my-run"
    spec.write_text(
        "trainer: {curriculum: {env: {id: CartPole-v1}}, total_timesteps: 512, batch_size: 256, minibatch_size: 64}\n"
        "wandb: {mode: disabled}\n"
    )
    done = trainer("train", "--spec", str(spec), "--run-dir", str(run), "trainer.simulation.num_episodes=2")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-2]["progress"]["done"] == lines[-2]["progress"]["total"] == 512
    assert load_experiment_spec(run / "run.yaml").trainer.simulation.num_episodes == 2

    done = trainer("evaluate", "--run-dir", str(run))
    assert done.returncode == 0, done.stderr
    manifest = read_manifest(run / "evaluate" / "manifest.json")
    assert (manifest.instance_name, manifest.run_id) == ("my-run", None)
    assert len(manifest.eval_results["CartPole-v1"].episodes) == 2


def test_a_trainer_that_ends_is_not_collected_once_more():
    code = (
        "import atexit, gc, runpy, sys\n"
        "atexit.register(lambda: print(gc.get_freeze_count()))\n"
        "sys.argv = ['trainer', '--help']\n"
        "runpy.run_module('trainer', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert int(done.stdout.splitlines()[-1]) > 1000


def test_words_that_make_no_sense_exit_with_2(tmp_path):
    assert trainer("analyze", "--run-dir", str(tmp_path)).returncode == 2
    assert trainer("train", "--run-dir", str(tmp_path / "none")).returncode == 2


def stopped(run: RunDirectory, grace_seconds: float, interval: int, updates: int) -> tuple[int, Manifest]:
    """The exit code and the manifest of a training that gets SIGTERM after some updates."""
    file = run.path.with_suffix(".yaml")
    file.write_text(SPEC)
    values = [f"trainer.total_timesteps={64 * 10**6}", f"trainer.checkpoint.interval_updates={interval}"]
    command = [sys.executable, "-m", "trainer", "train", "--spec", str(file), "--run-dir", str(run.path), *values]
    environment = {**os.environ, "AXIOM_GRACE_SECONDS": str(grace_seconds)}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        while process.poll() is None and lines_in(run.metrics_file) < updates:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=60), read_manifest(run.manifest_file("train"))


def lines_in(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_a_training_that_is_told_to_stop_goes_on_to_its_checkpoint_and_says_so(tmp_path):
    run = RunDirectory(tmp_path / "my-run")
    code, manifest = stopped(run, grace_seconds=60, interval=64, updates=70)
    (checkpoint,) = saved_checkpoints(run)[-1:]
    assert code == 75
    assert manifest.status == "cancelled"
    assert manifest.error == f"told to stop; goes on from train/checkpoints/{checkpoint.name}"
    assert checkpoint.name == f"update_{manifest.stopped_at.update:06d}.pt"
    assert manifest.stopped_at.update % 64 == 0
    assert manifest.stopped_at.update == lines_in(run.metrics_file) > 70
    assert f"train/checkpoints/{checkpoint.name}" in [artifact.path for artifact in manifest.artifacts]


@pytest.mark.parametrize(
    ("interval", "code", "words"),
    [(4, 75, r"goes on from train/checkpoints/update_0+\d+\.pt"), (10**6, 143, "begins anew: nothing was saved")],
)
def test_without_time_for_a_checkpoint_the_exit_code_says_whether_there_is_one(tmp_path, interval, code, words):
    found, manifest = stopped(RunDirectory(tmp_path / "my-run"), grace_seconds=0, interval=interval, updates=6)
    assert found == code
    assert re.fullmatch(f"told to stop; {words}", manifest.error)


def test_a_grace_period_that_is_no_number_is_refused(tmp_path):
    environment = {**os.environ, "AXIOM_GRACE_SECONDS": "a while"}
    command = [sys.executable, "-m", "trainer", "train", "--run-dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 2
    assert "AXIOM_GRACE_SECONDS = 'a while': is no number of seconds" in done.stderr
