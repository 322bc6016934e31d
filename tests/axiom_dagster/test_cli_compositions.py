"""`axiom run` of a composition: what is shown before anything runs, the table after it, and what is refused."""

import json
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from axiom_dagster.cli.app import app
from axiom_dagster.cli.compositions import WIDTH, ended_table
from axiom_dagster.compositions.experiment import Outcome
from axiom_dagster.run_handle import RunHandle
from trainer.contract import Episode, Interval, Manifest, SimulationResult

BASE = {"trainer": {"curriculum": {"env": {"id": "CartPole-v1"}}, "total_timesteps": 16_384}}
PHASES: dict[str, Any] = {
    "pretrain": {},
    "repair": {"initialize_from": "pretrain", "when": [{"phase": "pretrain", "below": 50}]},
    "finetune": {
        "initialize_from": ["pretrain", "repair"],
        "set": {"trainer.ppo.gamma": 0.9},
        "repeat": {"at_most": 3, "until": {"at_least": 400}},
    },
}


def axiom(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def file(tmp_path: Path, home: Path) -> str:
    path = tmp_path / "chain.json"
    path.write_text(json.dumps({"name": "chain", "base": BASE, "phases": PHASES}))
    return str(path)


def test_without_a_launch_the_phases_their_conditions_and_the_most_steps_are_shown(file: str, home: Path) -> None:
    done = axiom("run", file, "--no-launch")
    assert done.exit_code == 0, done.output
    for words in (
        "weights of pretrain or repair",
        "when pretrain: evaluation/reward below 50",
        "at most 3 rounds, until evaluation/reward at least 400",
        "# at most 81,920 agent-steps",
    ):
        assert words in done.stdout
    assert done.stdout.rstrip().endswith(f"axiom run {file}")
    assert not home.exists()


def test_set_changes_the_base_of_every_phase(file: str, home: Path) -> None:
    done = axiom("run", file, "--no-launch", "--json", "--set", "trainer.total_timesteps=32768")
    answer = json.loads(done.stdout.splitlines()[-1])
    assert [each["most_agent_steps"] for each in answer["phases"]] == [32_768, 32_768, 3 * 32_768]
    assert answer["most_agent_steps"] == 5 * 32_768 and not home.exists()


def test_a_recipe_may_offer_a_composition(file: str, tmp_path: Path) -> None:
    recipe = tmp_path / "chain.py"
    recipe.write_text(f"from axiom_dagster import load_composition\ncomposition = load_composition({file!r})\n")
    done = axiom("spec", "validate", str(recipe))
    assert (done.exit_code, done.stdout) == (0, "valid: chain  phases pretrain, repair, finetune\n")


def test_what_a_composition_has_no_use_for_is_refused(file: str, home: Path) -> None:
    tagged = axiom("run", file, "--tag", "mine")
    assert tagged.exit_code == 2 and "those of a composition have a phase and a round" in tagged.stderr
    unknown = axiom("run", file, "--set", "trainer.ppo.gama=0.9")
    assert unknown.exit_code == 2 and "did you mean 'gamma'" in unknown.stderr
    assert not home.exists()


@dataclass(frozen=True)
class Ended(RunHandle):
    """A run of which only the name and the manifests are known."""

    name: str = ""

    @property
    def instance_name(self) -> str:
        return self.name

    @property
    def directory(self) -> Path:
        return Path("nowhere")

    def read(self, stage: str | None = None) -> Manifest:
        reward = Interval(mean=123.4, low=100.0, high=150.0)
        episodes = (Episode(seed=1, reward=123.4, length=5),)
        result = SimulationResult(
            mean_reward=123.4, reward=reward, random_reward=reward, episodes=episodes, random_episodes=episodes
        )
        return Manifest.model_construct(eval_results={"CartPole-v1": result})


def test_the_table_says_of_each_round_what_it_earned_and_of_what_did_not_run_why() -> None:
    console = Console(width=WIDTH, record=True, file=StringIO())
    run = Ended("1", instance=None, name="chain-pretrain-20261122-192432-374770")  # pyright: ignore[reportArgumentType]
    why = "pretrain: evaluation/reward is 123.4, not below 50"
    outcomes = [
        Outcome("pretrain", 1, "kept", run, "has succeeded before with this spec"),
        Outcome("repair", 1, "skipped", why=why),
        Outcome("finetune", 2, "failed", run, "the loss is gone"),
    ]
    console.print(ended_table(outcomes))
    _, _, _, _, kept, skipped, failed, more, *_ = console.export_text().splitlines()
    assert kept.split() == [
        "✓",
        "pretrain",
        "1",
        "kept",
        "123",
        "[100,",
        "150]",
        "chain-pretrain-20261122-192432-374770",
    ]
    assert skipped.rstrip().endswith(why) and "·" in skipped
    assert failed.split()[:4] == ["✗", "finetune", "2", "failed"] and more.strip() == "the loss is gone"
