"""What a sweep reads of its runs, what it refuses without one, and what the command shows before there is any."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from axiom_dagster.cli.app import app
from axiom_dagster.cli.sweep_table import Display, Lines
from axiom_dagster.sweeps.experiment import SweepExperiment
from axiom_dagster.sweeps.figures import importances, sweep_pictures, write_pictures
from axiom_dagster.sweeps.journal import Journal, read_journal
from axiom_dagster.sweeps.search import Search
from axiom_dagster.sweeps.trials import trained, value_at
from trainer.contract.measured import last_value
from trainer.contract.sweep import Sweep

REPORTED: list[dict[str, Any]] = [
    {"agent_steps": 100, "overview/reward": None},
    {"agent_steps": 200, "overview/reward": 1.0},
    {"agent_steps": 300, "overview/reward": None},
    {"agent_steps": 400, "overview/reward": 2.0},
]
SWEEP: dict[str, Any] = {
    "name": "found",
    "base": {"trainer": {"curriculum": {"env": {"id": "CartPole-v1"}}}},
    "space": {
        "trainer.optimizer.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
        "trainer.ppo.update_epochs": {"low": 1, "high": 6},
        "trainer.optimizer.type": ["adam", "sgd"],
    },
    "sampler": {"type": "random"},
    "budget": {"runs": 12},
}


def axiom(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def searched(folder: Path, **changed: Any) -> Search:
    """A sweep whose value is its learning rate's distance from 0.01; every fourth trial is pruned."""
    with Journal(folder) as journal:
        search = Search(Sweep.accept({**SWEEP, **changed}), journal)
        while trial := search.next_trial():
            value = -abs(trial.params["trainer.optimizer.learning_rate"] - 0.01)
            pruned = trial.number % 4 == 3
            search.end(trial, "pruned" if pruned else "succeeded", None if pruned else value, agent_steps=1000)
        return search


def test_a_rungs_value_is_the_last_one_known_when_it_was_reached() -> None:
    assert value_at(REPORTED, 150, "overview/reward") == 1.0
    assert value_at(REPORTED, 300, "overview/reward") == 1.0
    assert value_at(REPORTED, 400, "overview/reward") == 2.0
    assert value_at(REPORTED, 100, "overview/reward") is None
    assert value_at(REPORTED, 401, "overview/reward") is None
    assert last_value(REPORTED, "overview/reward") == 2.0
    assert last_value(REPORTED, "losses/entropy") is None
    assert (trained(REPORTED), trained([])) == (400, 0)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_no_value(broken: float) -> None:
    assert last_value([*REPORTED, {"agent_steps": 500, "overview/reward": broken}], "overview/reward") == 2.0


def test_values_that_do_not_fit_together_are_a_failed_trial_without_a_run(home: Path) -> None:
    space = {"trainer.batch_size": [2560, 2048], "trainer.minibatch_size": [1024, 512]}
    fields = {"name": "apart", "base": "quick", "sampler": {"type": "grid"}, "budget": {"runs": 1}}
    search = SweepExperiment(Sweep.accept({**fields, "space": space})).run()
    (trial,) = search.trials
    assert trial.ended and trial.ended.status == "failed"
    assert "batch_size = 2560 is not divisible by minibatch_size = 1024" in trial.ended.why
    assert search.best is None
    assert not list((home / "runs").iterdir())
    done = json.loads(read_journal(home / "sweeps" / "apart")[-1].model_dump_json())
    assert done["why"] == "the budget of 1 runs is used"


def test_the_plan_shows_the_trials_that_will_be_first_and_writes_nothing(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "sweep.json"
    file.write_text(json.dumps({**SWEEP, "sampler": {"type": "tpe", "startup_trials": 3}}))
    plan = json.loads(axiom("sweep", str(file), "--no-launch", "--json").stdout.splitlines()[-1])
    first = [trial.params for trial in searched(tmp_path / "s", sampler={"type": "tpe", "startup_trials": 3}).trials]
    assert plan["first"] == first[:3]
    assert plan["most_agent_steps"] == 12 * 1_204_224
    shown = axiom("sweep", str(file), "--no-launch").stdout
    assert "0.0001 to 0.1, by its logarithm" in shown
    assert "1 to 6, whole numbers" in shown
    assert "one of adam, sgd" in shown
    assert not home.exists()


def test_a_recipe_may_define_a_sweep(home: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.py"
    recipe.write_text(f"from axiom_dagster import Sweep\n\nsweep = Sweep.accept({SWEEP!r})\n")
    assert "trial-0000" in axiom("sweep", str(recipe), "--no-launch").stdout
    recipe.write_text("sweep = 3\n")
    assert axiom("sweep", str(recipe), "--no-launch").exit_code == 2


def test_a_sweep_without_a_budget_is_refused_by_the_command(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "sweep.json"
    file.write_text(json.dumps({**SWEEP, "budget": {}}))
    done = axiom("sweep", str(file), "--json")
    assert done.exit_code == 2
    assert "would never end" in json.loads(done.stdout.splitlines()[-1])["error"]
    assert not home.exists()


def test_the_value_that_decided_is_the_most_important(tmp_path: Path) -> None:
    parts = importances(searched(tmp_path, budget={"runs": 40}))
    assert max(parts, key=lambda name: parts[name]) == "learning_rate"
    assert sum(parts.values()) == pytest.approx(1)


def test_pictures_are_drawn_when_there_are_trials_enough(tmp_path: Path) -> None:
    search = searched(tmp_path / "many")
    written = write_pictures(search, tmp_path)
    assert [file.name for file in written] == ["importance.png", "parallel_coordinates.png"]
    assert all(len(file.read_bytes()) < 100_000 for file in written)
    assert (tmp_path / "parallel_coordinates_dark.svg").exists()
    assert "9 trials across learning_rate, update_epochs, type, evaluation/reward" in sweep_pictures(search)[1].alt
    assert sweep_pictures(searched(tmp_path / "one", budget={"runs": 1})) == []


def test_the_table_marks_the_best_and_what_was_pruned(tmp_path: Path) -> None:
    search = searched(tmp_path, budget={"runs": 4})
    console = Console(width=120, height=40, record=True, file=StringIO())
    display = Display(console)
    display.take(search, {})
    console.print(display)
    lines = console.export_text().splitlines()
    assert search.best
    assert f"found  4 of 4 trials, 1 pruned · best evaluation/reward {search.best.value:.4g}" in lines[0]
    assert [line.split()[1] for line in lines if " best " in line and "trial-" in line[:14]] == [search.best.name]
    assert [line.split()[1] for line in lines if " pruned " in line and "trial-" in line[:14]] == ["trial-0003"]


def test_off_a_terminal_each_thing_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search, lines = searched(tmp_path, budget={"runs": 2}), Lines()
    lines.take(search, {})
    lines.take(search, {})
    assert len(capsys.readouterr().err.splitlines()) == 4
