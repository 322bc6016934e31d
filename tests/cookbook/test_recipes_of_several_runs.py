"""The recipes that tell of several runs: shown without one, run whole, and held to what their manifests say."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from trainer.contract import Manifest, RunDirectory, read_manifest

ROOT = Path(__file__).parents[2]
ADVANTAGE = "train.compute_advantage"
RUNS = {
    "01_debugging_training_divergence": ["all_new", "gae", "ppo_clip", "global_norm"],
    "02_ab_testing_algorithms": [
        *(f"gae_{seed}" for seed in range(1, 7)),
        *(f"gae_again_{seed}" for seed in range(101, 107)),
        *(f"{arm}_{seed}" for arm in ("past_credit", "monte_carlo") for seed in range(1, 7)),
    ],
    "03_reproducible_experiments": ["original", "replay", "slower"],
    "04_progressive_debugging": ["known_good", "new_reward", "new_advantage", "new_loss", "new_step", "together"],
    "05_hyperparameter_search": ["base_101", "base_102", "base_103", "trial_0000", "trial_0001"],
    "06_multi_stage_pipelines": ["pretrain", "finetune", "scratch", "whole"],
    "07_monitoring_with_hooks": ["watched", "unwatched", "jumping", "unclipped", "stuck", "with_a_hook"],
    "08_composite_experiments": [
        f"{name}_{phase}" for name in ("by_itself", "misled") for phase in ("scout", "refine", "restart", "polish")
    ],
    "09_experiment_resumption": ["whole", "stopped", "short", "longer", "once_more", "warm_start"],
    "10_curriculum_learning": ["fixed", "bucketed", "levels", "learning_progress", "gone_on_with"],
}

# Whether an op keeps its contract is tried with tensors, which takes seconds to begin with.
LOADS_TORCH = ("02_ab_testing_algorithms", "10_curriculum_learning")

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


def seeds(manifests: Sequence[Manifest]) -> list[int]:
    return [manifest.spec["controls"]["seed"] for manifest in manifests]


def reward(manifest: Manifest) -> float:
    (result,) = manifest.eval_results.values()
    return result.mean_reward


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=pytest.mark.slow) if each in LOADS_TORCH else each for each in RUNS]
)
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
def test_the_same_arm_is_not_told_from_itself_and_the_broken_one_is_worse(recipe: Recipe, tmp_path: Path) -> None:
    done = recipe("02_ab_testing_algorithms", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.findall(r"^  (\w+) +[+-][\d.]+ \[.*?\] +(\w+) +(\w+) ", done.stdout, re.MULTILINE)
    assert told[:2] == [("gae_again", "unpaired", "inconclusive"), ("past_credit", "paired", "worse")]
    assert told[2][:2] == ("monte_carlo", "paired")
    runs = manifests(tmp_path, "evaluate", "ab_testing")
    gae, again, broken, monte_carlo = (runs[first : first + 6] for first in (0, 6, 12, 18))
    assert [seeds(arm) for arm in (broken, monte_carlo)] == [seeds(gae)] * 2 and not {*seeds(gae)} & {*seeds(again)}
    assert gae[0].overrides.keys() == again[0].overrides.keys() == broken[0].overrides.keys() - {ADVANTAGE}
    assert max(map(reward, broken)) < min(map(reward, gae + again))


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
def test_the_finetuned_agent_begins_with_the_pretrained_one_and_reaches_more(recipe: Recipe, tmp_path: Path) -> None:
    done = recipe("06_multi_stage_pipelines", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    pretrain, finetune, scratch, whole = manifests(tmp_path, "train", "stages")
    assert pretrain.checkpoint and finetune.spec["resume_from"]["sha256"] == pretrain.checkpoint.sha256
    assert finetune.parents == {"resume_from": pretrain.digest} and scratch.parents == whole.parents == {}
    steps = [manifest.metrics["agent_steps"] for manifest in (pretrain, finetune, scratch, whole)]
    assert steps == [24_576, 8192, 8192, 32_768]
    rewards = [reward(manifest) for manifest in manifests(tmp_path, "evaluate", "stages")]
    assert rewards[1] > 2 * rewards[2]
    assert "2 of 8 updates bit for bit the same" in done.stdout and "keeps every phase" in done.stdout


@pytest.mark.slow
def test_the_watched_training_keeps_its_bits_and_each_sick_one_is_ended(recipe: Recipe, tmp_path: Path) -> None:
    done = recipe("07_monitoring_with_hooks", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    watched, unwatched, jumping, unclipped, stuck, hooked = manifests(tmp_path, "train", "monitoring")
    assert watched.weights_digest == unwatched.weights_digest and not unwatched.interventions
    assert [each.intervention for each in watched.interventions] == ["notify", "save_checkpoint"]
    ended = [
        (each.status, each.interventions[-1].path, each.interventions[-1].iteration) for each in (jumping, unclipped)
    ]
    assert ended == [
        ("failed", "trainer.monitors.divergence.too_far", 3),
        ("failed", "trainer.monitors.non_finite.numbers", 1),
    ]
    for early in (stuck, hooked):
        assert early.status == "succeeded" and early.metrics["agent_steps"] in range(1, 16_384)
        assert early.metrics["updates"] == early.interventions[-1].iteration
        assert early.interventions[-1].intervention == "stop_early"
    assert [each["failed"] for each in hooked.hooks.values()] == [0]
    assert len(list((tmp_path / "home/runs").glob("*/evaluate/manifest.json"))) == 4


@pytest.mark.slow
def test_a_composition_takes_the_branch_and_the_rounds_that_its_manifests_ask_for(
    recipe: Recipe, tmp_path: Path
) -> None:
    done = recipe("08_composite_experiments", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    for name, branch, wanted in (("by_itself", "refine", True), ("misled", "restart", False)):
        scout, chosen, *rounds = manifests(tmp_path, "evaluate", name)
        phases = [each.spec["name"] for each in (scout, chosen, *rounds)]
        assert phases == [f"{name}-{each}" for each in ("scout", branch, *["polish"] * len(rounds))]
        assert (reward(scout) >= 40) is wanted
        *earlier, last = map(reward, rounds)
        assert all(each < 450 for each in earlier) and (last >= 450 or len(rounds) == 3)
        _, first, *others = manifests(tmp_path, "train", name)
        for child in others:
            assert child.parents == {"resume_from": first.digest}
            first = child
    assert " kept " in done.stdout.partition("the same command again")[2]


@pytest.mark.slow
def test_a_search_repeats_and_its_best_is_held_against_the_base_with_fresh_seeds(
    recipe: Recipe, tmp_path: Path
) -> None:
    done = recipe("05_hyperparameter_search", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 lines of the journal, each decided once more and alike" in done.stdout
    *trials, alone = manifests(tmp_path, "train", "hyperparameters_quick_search")
    assert len(trials) == 3
    assert alone.weights_digest in [trial.weights_digest for trial in trials]
    assert {trial.spec["controls"]["seed"] for trial in trials} == {0}
    held = manifests(tmp_path, "train", "hyperparameters_quick_best")
    assert [run.spec["controls"]["seed"] for run in held] == [101, 102, 103] * 2
    assert len({json.dumps(run.spec["trainer"]) for run in held}) == 2


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


@pytest.mark.slow
def test_each_curriculum_teaches_what_none_does_and_goes_on_from_a_checkpoint(recipe: Recipe, tmp_path: Path) -> None:
    done = recipe("10_curriculum_learning", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    rewards = [reward(manifest) for manifest in manifests(tmp_path, "evaluate", "curriculum")]
    assert rewards[0] < 0.1 and min(rewards[1:]) > 0.5
    _, _, levels, _, gone_on_with = manifests(tmp_path, "train", "curriculum")
    assert gone_on_with.weights_digest == levels.weights_digest
    assert gone_on_with.parents == {"resume_from": levels.digest}
    metrics = (tmp_path / "home/runs" / levels.instance_name / "train/metrics.jsonl").read_text().splitlines()
    first, *_, last = (json.loads(row) for row in metrics)
    short = [f"curriculum/kwargs.length={length}" for length in (1, 2)]
    assert sum(first[each] for each in short) == last["curriculum/kwargs.length=16"] == 1
    assert [last[each] for each in short] == [0, 0]
