"""The recipes that tell of several runs: shown without one, run whole, and held to what their manifests say."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.contract import Manifest, RunDirectory, read_manifest

ROOT = Path(__file__).parents[2]
RUNS = {
    "01_debugging_training_divergence": ["all_new", "gae", "ppo_clip", "global_norm"],
    "03_reproducible_experiments": ["original", "replay", "slower"],
    "04_progressive_debugging": ["known_good", "new_reward", "new_advantage", "new_loss", "new_step", "together"],
    "09_experiment_resumption": ["whole", "stopped", "short", "longer", "once_more", "warm_start"],
}

Recipe = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    def run(name: str, *words: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(ROOT / "cookbook" / f"{name}.py"), *words]
        environment = {**os.environ, "AXIOM_HOME": str(tmp_path / "home"), "COLUMNS": "120"}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900, check=False
        )

    return run


def manifests(tmp_path: Path, stage: str, name: str) -> list[Manifest]:
    """Of every run of a recipe, oldest first."""
    runs = sorted((tmp_path / "home/runs").glob(f"{name}-*"), key=lambda run: run.stat().st_ctime)
    files = [RunDirectory(run).manifest_file(stage) for run in runs]
    return sorted((read_manifest(file) for file in files), key=lambda manifest: manifest.started_at)


def reward(manifest: Manifest) -> float:
    (result,) = manifest.eval_results.values()
    return result.mean_reward


@pytest.mark.parametrize("name", RUNS)
def test_every_run_is_shown_and_none_is_made(recipe: Recipe, tmp_path: Path, name: str) -> None:
    done = recipe(name, "--quick", "--no-launch")
    assert done.returncode == 0, done.stderr
    shown = re.findall(r"^ (\w+) +[\d,]+ {2,}\S", done.stdout, flags=re.MULTILINE)
    assert shown == RUNS[name]
    assert f"{len(shown)} runs on this machine, " in done.stdout
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("name", RUNS)
def test_a_recipe_says_what_it_answers(recipe: Recipe, name: str) -> None:
    helped = recipe(name, "--help").stdout
    first = (ROOT / f"cookbook/{name}.py").read_text().splitlines()[0].strip('"')
    assert first in " ".join(helped.split())
    for option in ("--quick", "--no-launch", "--set"):
        assert option in helped


@pytest.mark.slow
def test_the_diverging_op_is_found_by_substitution_and_by_verify(recipe: Recipe, tmp_path: Path) -> None:
    done = recipe("01_debugging_training_divergence", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The bug is in train.compute_advantage: 01_debugging_training_divergence:new_advantage" in done.stdout
    assert re.findall(r"^  (\w+) +(parts at targets.advantages|bit for bit the same)$", done.stdout, re.MULTILINE) == [
        ("gae", "parts at targets.advantages"),
        ("ppo_clip", "bit for bit the same"),
        ("global_norm", "bit for bit the same"),
    ]
    broken, healed, *others = manifests(tmp_path, "evaluate", "debugging")
    (result,) = broken.eval_results.values()
    assert reward(broken) < result.random_reward.mean < 0.2 * reward(healed)
    assert [reward(other) for other in others] == [reward(broken)] * 2


@pytest.mark.slow
def test_the_repeated_experiment_has_the_same_bits_and_the_changed_one_has_not(recipe: Recipe, tmp_path: Path) -> None:
    done = recipe("03_reproducible_experiments", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    original, again, slower = manifests(tmp_path, "train", "reproducible")
    assert original.spec_hash == again.spec_hash != slower.spec_hash
    assert original.weights_digest == again.weights_digest != slower.weights_digest
    assert original.compute and again.compute and original.compute.kind != again.compute.kind
    assert "trainer.optimizer.learning_rate: 0.001 → 0.0005" in done.stdout
    assert "8 of 8 updates and the weights bit for bit the same" in done.stdout


@pytest.mark.slow
def test_two_of_four_components_fall_each_on_its_rung(recipe: Recipe, tmp_path: Path) -> None:
    done = recipe("04_progressive_debugging", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^(\w+) fell on rung (\d)", done.stdout, re.MULTILINE) == [("new_loss", "1"), ("new_step", "2")]
    assert "is the sign of the policy loss turned?" in done.stdout
    runs = manifests(tmp_path, "evaluate", "progressive")
    known_good, _, _, stuck, together = runs
    assert all(run.overrides.keys().isdisjoint({"train.compute_loss"}) for run in runs)
    assert together.overrides.keys() == {"train.compute_reward", "train.compute_advantage"}
    assert reward(stuck) < 0.5 * min(reward(known_good), reward(together))


@pytest.mark.slow
def test_what_was_stopped_and_gone_on_with_ends_as_what_was_not(recipe: Recipe, tmp_path: Path) -> None:
    done = recipe("09_experiment_resumption", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    whole, resumed, short, longer, once_more, warm = manifests(tmp_path, "train", "resumption")
    assert resumed.attempt == 2
    assert whole.weights_digest == resumed.weights_digest == longer.weights_digest == once_more.weights_digest
    assert longer.parents == {"resume_from": short.digest}
    assert once_more.parents == warm.parents == {"resume_from": whole.digest}
    rewards = [reward(manifest) for manifest in manifests(tmp_path, "evaluate", "resumption")]
    assert rewards[5] > 2 * rewards[2]
