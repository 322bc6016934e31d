"""`axiom compare` prints every number whole, writes the page, answers with all of it as JSON, or refuses."""

import json
from io import StringIO
from pathlib import Path

import dagster as dg
import fake_trainer
import pytest
from rich.console import Console
from typer.testing import CliRunner

from assets.report.comparison_runs import runs_of
from axiom_dagster import Arm, Variants, compare
from axiom_dagster.cli.app import app
from axiom_dagster.cli.comparison_tables import show_comparison
from resources.declarations import Declaration
from resources.home import dagster_instance
from trainer.contract import Refused, RunDirectory, TrainAndEvalSpec, begin_run

SEEDS = (1, 2, 3)


def begun(instance: dg.DagsterInstance, home: Path, variant: str, gamma: float, seed: int) -> None:
    """A run of the fake trainer, whose reward is its seed, tagged as real ones are."""
    run = RunDirectory(home / "runs" / f"ab-{variant}-{seed}")
    trainer = {"ppo": {"gamma": gamma}}
    begin_run(TrainAndEvalSpec.accept({"name": "ab", "controls": {"seed": seed}, "trainer": trainer}), run)
    for stage in ("train", "evaluate"):
        fake_trainer.run_stage(stage, run, fake_trainer.Words(None))
    tags = {"axiom/experiment": "ab", "axiom/variant": variant, "axiom/seed": str(seed)}
    instance.add_run(dg.DagsterRun("train_and_eval", tags={**tags, "axiom/instance_name": run.instance_name}))


@pytest.fixture(scope="module")
def compared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The seeds 1, 2, 3 of `old`; 2, 3, 4 of `new`, so that two are pairs and three of each are not."""
    home = tmp_path_factory.mktemp("compared")
    with dagster_instance(home) as instance:
        for seed in SEEDS:
            begun(instance, home, "old", 0.99, seed)
            begun(instance, home, "new", 0.9, seed + 1)
    return home


@pytest.fixture
def answered(compared_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AXIOM_HOME", str(compared_home))
    return lambda *words: CliRunner().invoke(app, ["compare", *words])


def test_the_table_names_both_arms_what_differs_and_what_would_decide(answered, compared_home: Path) -> None:
    found = answered("ab")
    assert found.exit_code == 0, found.output
    lines = [line.split() for line in found.stdout.splitlines()]
    assert ["old", "3", "2", "[-0.4841,", "4.484]", "2", "[-0.4841,", "4.484]", "baseline"] in lines
    (new,) = [line for line in lines if line[:2] == ["new", "3"]]
    assert new[8:11] == ["+1", "[-1.27,", "+3.27]"] and new[-2:] == ["inconclusive", "17"]
    assert "new: trainer.ppo.gamma: 0.99 → 0.9" in found.stdout
    assert "only one of old and new has seed 1, 4" in found.stdout
    page = compared_home / "reports" / "ab-compare.html"
    assert f"page  {page}" in found.stderr and "new is not shown to differ from old" in page.read_text()


def test_the_answer_as_json_holds_every_number_and_where_the_page_is(answered, tmp_path: Path) -> None:
    found = answered("ab", "--baseline", "new", "--level", "0.1", "--json", "--out", str(tmp_path / "page.html"))
    answer = json.loads(found.stdout.splitlines()[-1])
    assert (answer["baseline"], answer["level"], answer["report"]) == ("new", 0.1, str(tmp_path / "page.html"))
    (against,) = answer["against"]
    assert (against["arm"], against["contrast"]["paired"], against["contrast"]["difference"]["value"]) == (
        "old",
        False,
        -1,
    )
    page = (tmp_path / "page.html").read_text()
    assert "axiom compare ab --baseline new --level 0.1" in page and "Intervals cover\n90 %" in page


def test_of_a_metric_whose_low_values_are_better_the_higher_arm_is_less_likely_the_better_one(
    answered, tmp_path: Path
) -> None:
    shared = ("ab", "--level", "0.5", "--out", str(tmp_path / "page.html"))
    higher, lower = answered(*shared), answered(*shared, "--better", "lower")
    (as_higher,), (as_lower,) = (
        json.loads(answered(*shared, "--better", each, "--json").stdout)["against"] for each in ("higher", "lower")
    )
    assert (as_higher["verdict"]["word"], as_lower["verdict"]["word"]) == ("better", "worse")
    assert as_lower["improvement"]["value"] == pytest.approx(1 - as_higher["improvement"]["value"])
    assert as_lower["contrast"] == as_higher["contrast"]
    assert "reward (lower is better) against old" in lower.stdout and "is better)" not in higher.stdout
    page = (tmp_path / "page.html").read_text()
    assert "axiom compare ab --level 0.5 --better lower" in page and "of reward lower is better" in page


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("abc",), "experiment = 'abc': no run has it; did you mean 'ab'"),
        (("ab", "--baseline", "nwe"), "baseline = 'nwe': no run is of this variant; did you mean 'new'"),
        (("ab", "--metric", "hearts"), "metric = 'hearts': no run reports it; allowed: agent_steps, reward"),
        (("ab", "--level", "0"), "level = 0.0: the chance of a false claim"),
        (("ab", "--out", "/dev/null/page.html"), "cannot be written"),
    ],
)
def test_what_cannot_be_compared_is_refused(words: tuple[str, ...], why: str, answered) -> None:
    found = answered(*words)
    assert found.exit_code == 2
    assert why in found.stderr


def test_the_public_function_gives_the_comparison_and_writes_only_what_it_is_told_to(
    compared_home: Path, tmp_path: Path
) -> None:
    with dagster_instance(compared_home) as instance, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AXIOM_HOME", str(compared_home))
        found = compare("ab", instance=instance, out=tmp_path / "page.html")
        with pytest.raises(Refused):
            compare("other", instance=instance)
    assert [each.verdict.word for each in found.against] == ["inconclusive"]
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_the_baseline_is_the_first_declared_variant_whichever_ran_first(tmp_path: Path) -> None:
    arms = {"new": Arm(set={"trainer.ppo.gamma": 0.9}), "old": Arm()}
    variants = Variants(name="ab", arms=arms, seeds=(2, 3))
    with dagster_instance(tmp_path) as instance:
        for variant, gamma in (("old", 0.99), ("new", 0.9)):
            begun(instance, tmp_path, variant, gamma, 2)
        assert [each.label for each in runs_of(instance, tmp_path / "runs", "ab").variants] == ["old", "new"]
        Declaration("ab", variants.runs(), variants).write(tmp_path)
        assert [each.label for each in runs_of(instance, tmp_path / "runs", "ab").variants] == ["new", "old"]


def test_no_number_is_cut_on_a_narrow_terminal(compared_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AXIOM_HOME", str(compared_home))
    console = Console(file=StringIO(), width=40, soft_wrap=True)
    with dagster_instance(compared_home) as instance:
        show_comparison(compare("ab", instance=instance), console)
    assert "…" not in console.file.getvalue() and "[-1.27, +3.27]" in console.file.getvalue()
