"""What a sweep shows and leaves: a population's table, plan and picture, and what holds its best against the base."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from axiom_dagster.cli.app import app
from axiom_dagster.cli.sweep import plain_search
from axiom_dagster.cli.sweep_table import Lines, trials_table
from axiom_dagster.comparing import compare
from axiom_dagster.sweeps.export import write_best
from axiom_dagster.sweeps.figures import sweep_pictures, write_pictures
from axiom_dagster.sweeps.journal import Journal
from axiom_dagster.sweeps.search import Search
from trainer.contract import Refused, Variants, load_experiment
from trainer.contract.sweep import Sweep

RATE, EPOCHS, ADVANTAGE = "trainer.optimizer.learning_rate", "trainer.ppo.update_epochs", "train.compute_advantage"
SWEEP: dict[str, Any] = {
    "name": "found",
    "base": {
        "trainer": {
            "total_timesteps": 3072,
            "batch_size": 512,
            "minibatch_size": 128,
            "curriculum": {"env": {"id": "CartPole-v1"}},
            "optimizer": {"schedule": "constant"},
        }
    },
    "space": {RATE: {"low": 1e-4, "high": 1e-2, "log": True}, EPOCHS: {"low": 1, "high": 6}},
    "sampler": {"type": "random"},
    "budget": {"runs": 9},
}
POPULATION = {"population": {"members": 3, "interval": 1024}}


def searched(folder: Path, **changed: Any) -> Search:
    """A sweep in which the larger learning rate is the better; the second trial fails."""
    with Journal(folder) as journal:
        search = Search(Sweep.accept({**SWEEP, **changed}), journal)
        while trial := search.next_trial():
            far = {"agent_steps": 1024 * (trial.generation + 1), "seconds": 2.0, "run": f"found-{trial.number}"}
            if trial.number == 1:
                search.end(trial, "failed", why="no memory", **far)
            else:
                search.end(trial, "succeeded", trial.params[RATE], **far)
        return search


def axiom(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_the_table_says_from_whom_a_member_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search = searched(tmp_path, **POPULATION)
    console = Console(width=140, record=True, file=StringIO())
    console.print(trials_table(search, search.trials))
    lines = console.export_text().splitlines()
    failed = search.trials[4]
    assert failed.origin is not None
    assert lines[0].split()[:4] == ["trial", "from", "learning_rate", "update_epochs"]
    assert lines[5].split()[1:3] == ["member-01.g01", search.trials[failed.origin].name]
    assert lines[4].split()[2] == f"{search.trials[3].params[RATE]:.4g}"
    Lines().take(search, {})
    assert f"member-01.g01 from {search.trials[failed.origin].name}: learning_rate=" in capsys.readouterr().err


def test_the_answer_names_origins_and_runs(tmp_path: Path) -> None:
    answer = plain_search(searched(tmp_path, **POPULATION))
    assert [trial["origin"] for trial in answer["trials"][:3]] == [None] * 3
    assert answer["trials"][4]["origin"] in ("member-00.g00", "member-02.g00")
    assert answer["trials"][4]["run"] == "found-4"
    assert answer["agent_steps"] == 9 * 1024


def test_the_plan_of_a_population_shows_its_first_generation(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "sweep.json"
    file.write_text(json.dumps({**SWEEP, **POPULATION}))
    plan = json.loads(axiom("sweep", str(file), "--no-launch", "--json").stdout.splitlines()[-1])
    assert plan["first"] == [trial.params for trial in searched(tmp_path / "s", **POPULATION).trials[:3]]
    assert plan["most_agent_steps"] == 9 * 1024
    shown = axiom("sweep", str(file), "--no-launch").stdout
    assert "3 members over infinitely many points, 3 generations of 1,024 agent-steps, seed 0" in shown
    assert "the worst 1 of 3 go on from the best 1, each value times 0.8 or 1.2, or drawn anew (25%)" in shown
    assert "member-02.g00  learning_rate=" in shown
    assert not home.exists()


def test_a_populations_picture_is_of_its_generations(tmp_path: Path) -> None:
    search = searched(tmp_path / "s", **POPULATION)
    written = write_pictures(search, tmp_path)
    assert [file.name for file in written] == ["generations.png", "parallel_coordinates.png"]
    assert all(len(file.read_bytes()) < 100_000 for file in written)
    replaced = sum(trial.origin not in (None, trial.number - 3) for trial in search.trials)
    assert sweep_pictures(search)[0].alt == (
        f"3 members over 3 generations: learning_rate, update_epochs, evaluation/reward. {replaced} were replaced."
    )


def test_the_best_is_declared_against_the_base_with_seeds_that_the_sweep_never_saw(tmp_path: Path) -> None:
    search = searched(tmp_path, space={**SWEEP["space"], ADVANTAGE: ["gae", "vtrace"]})
    write_best(search, tmp_path)
    variants = load_experiment(tmp_path / "against_base.yaml")
    assert isinstance(variants, Variants) and search.best
    assert (variants.name, variants.seeds) == ("found_best", (1, 2, 3, 4, 5))
    base, best = (variants.specs[arm] for arm in ("base", "best"))
    assert base.trainer == search.sweep.base.trainer
    assert best.trainer == search.spec(search.best).trainer
    assert best.overrides == search.spec(search.best).overrides


@pytest.mark.parametrize("changed", [{}, POPULATION], ids=["trials", "population"])
def test_a_sweep_is_not_compared_and_what_can_be_is_named(home: Path, changed: dict[str, Any]) -> None:
    folder = home / "sweeps" / "found"
    write_best(searched(folder, **changed), folder)
    with pytest.raises(Refused, match="its trials share one seed, and the best of many is lucky too") as refused:
        compare("found")
    instead = "declare its values and the base as variants"
    if not changed:
        instead = f"axiom run {folder / 'against_base.yaml'}, then axiom compare found_best --no-single-factor"
    assert instead in str(refused.value)
    assert (folder / "lineage.yaml").exists() == bool(changed)
