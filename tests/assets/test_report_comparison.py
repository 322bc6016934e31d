"""The comparison of several runs: variants by what differs, intervals over seeds, and no verdict that is not earned."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fake_trainer
import pytest

from assets.figures import t_interval
from assets.report import RunRecord, comparison_page, read_record
from assets.report.variants import variants_of
from assets.report.verdict import comparison_verdicts
from trainer.contract import Refused, RunDirectory, begin_run, create_quick_experiment

VTRACE = {"train.compute_advantage": {"vtrace": {}}}


def record(folder: Path, seed: int, *stages: str, **fields: Any) -> RunRecord:
    """A run of the fake trainer, whose reward is its seed."""
    run = RunDirectory(folder / f"run-{len(list(folder.glob('run-*')))}")
    begin_run(create_quick_experiment(controls={"seed": seed}, **fields), run)
    for stage in stages or ("train", "evaluate"):
        fake_trainer.run_stage(stage, run, fake_trainer.Words(None))
    return read_record(run)


def test_runs_that_differ_only_by_seed_and_name_are_one_variant(tmp_path: Path) -> None:
    records = [record(tmp_path, seed, name=name) for seed, name in ((2, "b"), (1, "a"))]
    (variant,) = variants_of(records)
    assert [each.spec.controls.seed for each in variant.records] == [1, 2]
    page = comparison_page(records, "t", tmp_path)
    assert "One variant with several seeds: there is nothing to compare it with." in page


def test_variants_are_named_by_what_differs(tmp_path: Path) -> None:
    plain, swapped = variants_of([record(tmp_path, 1, "train"), record(tmp_path, 1, "train", overrides=VTRACE)])
    assert plain.label == "compute_advantage as declared"
    assert swapped.label == "compute_advantage vtrace rho_clip 1.0 c_clip 1.0"
    assert [change.path for change in swapped.changes] == ["train.compute_advantage"]


def test_where_much_differs_the_names_of_the_specs_tell_the_variants_apart(tmp_path: Path) -> None:
    settings: Mapping[str, Any] = {"ppo": {"gamma": 0.9, "gae_lambda": 0.8, "entropy_coef": 0.02}}
    found = variants_of([record(tmp_path, 1, "train"), record(tmp_path, 1, "train", trainer=settings, name="other")])
    assert [each.label for each in found] == ["quick", "other"]


def test_a_page_shows_every_run_every_interval_and_what_differs_in_the_manifests(tmp_path: Path) -> None:
    records = [record(tmp_path, seed) for seed in (1, 3, 5)]
    records += [record(tmp_path, seed, overrides=VTRACE) for seed in (2, 4)]
    page = comparison_page(records, "five", tmp_path)

    assert "3 [-1.968, 7.968]" in page, "the mean of the seeds 1, 3, 5 with Student's interval"
    assert "not shown to differ from compute_advantage as declared" in page
    assert page.count('<tr><td>compute_advantage as declared</td><td class="number">') == 3
    assert "controls.seed" in page and "overrides: 1" in page
    assert all(each.name in page for each in records)
    assert len(page) < 3_000_000


def test_one_seed_gets_neither_an_interval_nor_a_verdict(tmp_path: Path) -> None:
    page = comparison_page([record(tmp_path, 1), record(tmp_path, 9, overrides=VTRACE)], "t", tmp_path)
    assert "9 (one seed: no interval) against 1 (one seed: no interval)" in page
    assert "cannot be told from" in page
    assert " is higher than " not in page


def test_runs_of_different_environments_are_shown_and_not_ranked(tmp_path: Path) -> None:
    cart = {"trainer": {"curriculum": {"env": {"id": "CartPole-v1"}}}}
    records = [record(tmp_path, seed, **fields) for fields in ({}, cart) for seed in (1, 2)]
    page = comparison_page(records, "t", tmp_path)
    assert "These runs learned in different environments (arena, CartPole-v1)" in page
    assert "arena/basic: its environment differs between the variants" in page
    assert " is higher than " not in page and " is lower than " not in page


def test_runs_that_were_not_evaluated_or_have_not_ended_are_said_to_be_so(tmp_path: Path) -> None:
    running = RunDirectory(tmp_path / "running")
    begin_run(create_quick_experiment(controls={"seed": 2}), running)
    page = comparison_page([record(tmp_path, 1, "train"), read_record(running)], "t", tmp_path)
    assert page.count("not evaluated") == 2
    assert "None of these runs was evaluated." in page
    assert "running: its training has not ended." in page
    assert "running finished no episode and has no curve." in page


@pytest.mark.parametrize(
    ("other", "tone", "words"),
    [([9.0, 9.1, 9.2], "good", "b is higher than a"), ([0.0, 5.0, 9.0], "open", "b not shown to differ from a")],
)
def test_only_intervals_that_do_not_touch_make_a_verdict(other: list[float], tone: str, words: str) -> None:
    (verdict,) = comparison_verdicts("sim", {"a": t_interval([1.0, 1.1, 1.2]), "b": t_interval(other)})
    assert (verdict.tone, verdict.words.startswith(f"sim: {words}")) == (tone, True)


def test_fewer_than_two_runs_and_a_run_given_twice_are_refused(tmp_path: Path) -> None:
    one = record(tmp_path, 1, "train")
    with pytest.raises(Refused, match="two runs or more"):
        comparison_page([one], "t", tmp_path)
    with pytest.raises(Refused, match="given twice"):
        comparison_page([one, one], "t", tmp_path)


def test_a_hostile_name_is_only_words(tmp_path: Path) -> None:
    records = [record(tmp_path, seed, "train") for seed in (1, 2)]
    page = comparison_page(records, "<script>alert(1)</script>", tmp_path)
    assert "<script>alert" not in page
