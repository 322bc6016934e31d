"""`python -m trainer` alone: a spec file becomes a run directory with a trained, evaluated agent."""

import json
import subprocess
import sys

from trainer.contract import load_experiment_spec, read_manifest


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


def test_words_that_make_no_sense_exit_with_2(tmp_path):
    assert trainer("analyze", "--run-dir", str(tmp_path)).returncode == 2
    assert trainer("train", "--run-dir", str(tmp_path / "none")).returncode == 2
