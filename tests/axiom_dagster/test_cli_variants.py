"""`axiom run` of many runs: what is shown before anything runs, and the table while they do."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from axiom_dagster.cli.app import app
from axiom_dagster.cli.matrix import Display, Lines
from axiom_dagster.variants.rows import Row
from axiom_dagster.variants.standing import Standing, StandingStatus
from resources.matrix import Cell
from trainer.contract import Progress

BASE = {"trainer": {"curriculum": {"env": {"id": "CartPole-v1"}}}}


def axiom(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def file(tmp_path: Path, home: Path) -> str:
    """Two arms, two seeds."""
    path = tmp_path / "adv.json"
    arms = {"a": {}, "b": {"set": {"trainer.ppo.gamma": 0.9}}}
    path.write_text(json.dumps({"name": "adv", "base": BASE, "arms": arms, "seeds": [1, 2]}))
    return str(path)


def row(status: StandingStatus, seed: int = 1, variant: str = "a", **fields: Any) -> Row:
    return Row(Standing(Cell("adv", variant, seed), "0" * 64, status), **fields)


def drawn(rows: list[Row], height: int = 40) -> str:
    console = Console(width=110, height=height, record=True, file=StringIO())
    display = Display("adv", console)
    display.take(rows)
    console.print(display)
    return console.export_text()


def test_without_a_launch_every_run_is_listed_with_its_specs_hash(file: str, home: Path) -> None:
    done = axiom("run", file, "--no-launch")
    assert done.exit_code == 0, done.output
    assert done.stdout.count("sha256:") == 4 and done.stdout.count("missing") == 4
    assert "4 of 4 runs would be launched" in done.stdout and done.stdout.rstrip().endswith(f"axiom run {file}")
    assert not home.exists()


@pytest.mark.slow
def test_what_all_runs_may_cost_is_what_one_may_times_their_number(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKYPILOT_API_SERVER_ENDPOINT", "http://127.0.0.1:9")  # Nobody is there to be asked.
    words = ("--compute=skypilot", "--job=hourly_dollars=2.5", "--job=max_runtime_minutes=60")
    answer = json.loads(axiom("run", file, "--no-launch", "--json", *words).stdout.splitlines()[-1])
    one = answer["cost"]["each"]["most_dollars"]
    assert one >= 2.5 and answer["cost"]["most_dollars"] == pytest.approx(4 * one)
    assert len({run["spec_hash"] for run in answer["runs"]}) == answer["would_launch"] == 4


def test_values_and_overrides_change_what_all_runs_have_in_common(file: str) -> None:
    words = ("--set=trainer.total_timesteps=4096", "--override=compute_advantage=vtrace")
    plain, changed = (
        json.loads(axiom("run", file, "--no-launch", "--json", *more).stdout.splitlines()[-1])["runs"]
        for more in ((), words)
    )
    assert not {run["spec_hash"] for run in plain} & {run["spec_hash"] for run in changed}
    refused = axiom("run", file, "--no-launch", "--set=trainer.ppo.gamma=0.9")
    assert refused.exit_code == 2 and "b: is the same as a" in refused.stderr


def test_a_declaration_is_validated_like_a_spec(file: str) -> None:
    done = axiom("spec", "validate", file)
    assert (done.exit_code, done.stdout) == (0, "valid: adv  2 variants × 2 seeds = 4 runs\n")


def test_a_tag_names_one_run_and_is_refused_for_many(file: str) -> None:
    done = axiom("run", file, "--tag=fast")
    assert done.exit_code == 2 and "have a variant and a seed" in done.stderr


def test_a_recipe_may_give_many_runs(tmp_path: Path, home: Path) -> None:
    recipe = tmp_path / "many.py"
    recipe.write_text(
        "from axiom_dagster import Variants\n\n\ndef create():\n"
        "    return Variants(name='many', base='quick', grid={'trainer.ppo.gamma': (0.9, 0.99)}, seeds=(1,))\n"
    )
    assert axiom("spec", "validate", str(recipe)).stdout == "valid: many  2 variants × 1 seeds = 2 runs\n"


def test_what_takes_one_spec_refuses_many(file: str) -> None:
    done = axiom("exposed", file)
    assert done.exit_code == 2 and "takes one spec" in done.stderr


def test_the_table_says_of_each_run_how_far_it_is() -> None:
    progress = Progress(stage="train", done=512, total=1024, steps_per_second=4000, eta_seconds=65)
    text = drawn([
        row("succeeded", reward=500.0, steps_per_second=1787.1, seconds=43.0),
        row("running", 2, progress=progress, reward=12.5, steps_per_second=4000.0),
        row("failed", 1, "b"), row("missing", 2, "b"),
    ])  # fmt: skip
    lines = [line.split() for line in text.splitlines()]
    assert text.startswith("adv  1 of 4 succeeded · 1 running · 1 missing · 1 failed")
    assert ["✓", "a", "1", "succeeded", "500", "1,787", "took", "0:43"] in lines
    assert ["●", "a", "2", "running", "train", "50%", "12.5", "4,000", "ETA", "1:05"] in lines
    assert ["✗", "b", "1", "failed"] in lines


def test_of_more_runs_than_fit_those_are_shown_where_something_happens() -> None:
    rows = [row("queued", seed) for seed in range(50)] + [row("running", 50), row("failed", 51)]
    text = drawn(rows, height=12)
    assert "running" in text.splitlines()[-3] and "failed" in text.splitlines()[-2]
    assert "… and 45 more" in text and len(text.splitlines()) <= 12


def test_elsewhere_each_change_is_a_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.take([row("queued"), row("queued", 2)])
    lines.take([row("queued"), row("running", 2)])
    lines.take([row("queued"), row("succeeded", 2, reward=3.0)])
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 4 and said[-1] == "a  seed 2: succeeded  reward 3  (1 of 2 have ended)"
