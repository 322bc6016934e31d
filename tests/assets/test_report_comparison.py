"""The comparison of several runs: variants by what differs, intervals over seeds, and no verdict that is not earned."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_trainer
import pytest

from assets.report import RunRecord, comparison_page, read_record
from assets.report.comparison import compared
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


def scored(run: RunRecord, reward: float) -> RunRecord:
    """The same run with another mean reward in its evaluation."""
    assert run.evaluate is not None
    results = {n: each.model_copy(update={"mean_reward": reward}) for n, each in run.evaluate.eval_results.items()}
    return replace(run, evaluate=run.evaluate.model_copy(update={"eval_results": results}))


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
    records += [record(tmp_path, seed, overrides=VTRACE) for seed in (2, 4, 6)]
    page = comparison_page(records, "six", tmp_path)

    assert "3 [-1.968, 7.968]" in page, "the mean of the seeds 1, 3, 5 with Student's interval"
    assert "+1 [-3.53, +5.53] over 3 unpaired runs of each, or more; p = 0.573." in page, "Welch's test"
    assert "not shown to differ from compute_advantage as declared" in page
    assert "only one of compute_advantage as declared and" in page and "has seed 1, 2, 3, 4, 5, 6" in page
    assert page.count('<tr><td>compute_advantage as declared</td><td class="number">') == 3
    assert "controls.seed" in page and "overrides: 1" in page
    assert all(each.name in page for each in records)
    assert len(page) < 3_000_000


def test_one_seed_gets_neither_an_interval_nor_a_verdict(tmp_path: Path) -> None:
    page = comparison_page([record(tmp_path, 1), record(tmp_path, 9, overrides=VTRACE)], "t", tmp_path)
    assert (
        "cannot be told from compute_advantage as declared: +8 over 1 unpaired run of each, or more; a verdict" in page
    )
    assert "takes 3 runs of each" in page
    assert " is better than " not in page


def test_runs_of_different_environments_are_shown_and_not_ranked(tmp_path: Path) -> None:
    cart = {"trainer": {"curriculum": {"env": {"id": "CartPole-v1"}}}}
    records = [record(tmp_path, seed, **fields) for fields in ({}, cart) for seed in (1, 2)]
    page = comparison_page(records, "t", tmp_path)
    assert "These runs learned in different environments (arena, CartPole-v1)" in page
    assert "arena/basic: its environment differs between the variants" in page
    assert " is better than " not in page and " is worse than " not in page


def test_runs_that_were_not_evaluated_or_have_not_ended_are_said_to_be_so(tmp_path: Path) -> None:
    running = RunDirectory(tmp_path / "running")
    begin_run(create_quick_experiment(controls={"seed": 2}), running)
    page = comparison_page([record(tmp_path, 1, "train"), read_record(running)], "t", tmp_path)
    assert page.count("not evaluated") == 2
    assert "None of these runs was evaluated." in page
    assert "running: its training has not ended." in page
    assert "running finished no episode and has no curve." in page


@pytest.mark.parametrize(
    ("by", "tone", "words"),
    [
        ([5.0, 5.5, 6.0], "good", "is better than compute_advantage as declared: +5.5 [+4.26, +6.74] over 3 pairs"),
        ([-5.0, -5.5, -6.0], "bad", "is worse than compute_advantage as declared: -5.5 [-6.74, -4.26] over 3 pairs"),
        ([9.0, 1.0, -2.0], "open", "is not shown to differ from compute_advantage as declared: +2.67 [-11.5, +16.8]"),
    ],
)
def test_only_what_a_paired_test_shows_is_claimed(by: list[float], tone: str, words: str, tmp_path: Path) -> None:
    records = [scored(record(tmp_path, seed), 100 * seed) for seed in (1, 2, 3)]
    records += [scored(record(tmp_path, n + 1, overrides=VTRACE), 100 * (n + 1) + by[n]) for n in range(3)]
    (verdict,) = comparison_verdicts(compared("x", variants_of(records)))
    assert verdict.tone == tone
    assert verdict.words.startswith(f"arena/basic: compute_advantage vtrace rho_clip 1.0 c_clip 1.0 {words}")


def test_a_seed_that_ran_twice_counts_once_by_its_newest_run_that_succeeded(tmp_path: Path) -> None:
    records = [record(tmp_path, 1), scored(record(tmp_path, 1), 7.0), record(tmp_path, 1, "train"), record(tmp_path, 2)]
    page = comparison_page(records, "t", tmp_path)
    assert "seed 1: 3 runs; run-1 counts, the newest that succeeded." in page
    assert "4.5 [-27.27, 36.27]" in page, "the mean of 7 and 2"


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
