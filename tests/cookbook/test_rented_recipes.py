"""The recipes that rent: shown without any cloud, run whole on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY = (
    "trainer.total_timesteps=8192",
    "trainer.batch_size=4096",
    "trainer.simulation.num_episodes=2",
    "trainer.simulation.num_replays=0",
    "trainer.num_workers=1",
    "trainer.curriculum.env.arena.max_steps=50",
    "wandb.mode=disabled",
)


@pytest.fixture
def recipe(tmp_path: Path):
    def run(name: str, *words: str) -> "subprocess.CompletedProcess[str]":
        own = {"AXIOM_HOME": str(tmp_path / "home"), "SKYPILOT_API_SERVER_ENDPOINT": "http://127.0.0.1:9"}
        command = [sys.executable, str(ROOT / "cookbook" / f"{name}.py"), *words]
        return subprocess.run(
            command, cwd=tmp_path, env={**os.environ, **own}, capture_output=True, text=True, check=False
        )

    return run


def test_the_arena_is_shown_with_the_seeds_options(recipe, tmp_path: Path) -> None:
    done = recipe("arena_experiment", "--no-launch", "--gpus=4", "--nodes=2", "--spot=false")
    assert done.returncode == 0, done.stderr
    for words in ("num_nodes: 2", "L4: 4", "use_spot: false", "timeout --kill-after=60 120m", "unknown: "):
        assert words in done.stdout
    assert "no price is known" in done.stdout
    assert "WARNING" not in done.stdout
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_the_arena_runs_on_this_machine(recipe) -> None:
    values = [f"--set={value}" for value in TINY]
    done = recipe("arena_experiment", "--compute=local", "--json", *values)
    assert done.returncode == 0, done.stderr
    (job,) = json.loads(done.stdout.splitlines()[-1])["jobs"]
    assert job["run"]["instance_name"].startswith("arena_experiment-")
    assert set(job["run"]["manifest"]["eval_results"]) == {"arena/basic", "arena/combat"}


@pytest.mark.parametrize("name", ["arena_experiment", "lr_ab_test"])
def test_a_recipe_explains_its_options(recipe, name: str) -> None:
    done = recipe(name, "--help")
    for option in ("--gpus", "--nodes", "--spot", "--no-launch", "--git-check", "--set", "--compute"):
        assert option in done.stdout
