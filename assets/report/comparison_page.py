"""The report of several runs: curves and results by variant and seed, and all that differs; it writes no file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.report.comparison import Against, Comparison, compared
from assets.report.comparison_figures import environments_of, figures_of
from assets.report.comparison_runs import one_a_seed
from assets.report.links import Link, link
from assets.report.page import figure_of, rendered
from assets.report.record import RunRecord
from assets.report.variants import Variant, value_words, variants_of
from assets.report.verdict import (
    Verdict,
    comparison_verdicts,
    difference_words,
    interval_words,
    probability_words,
    seeds_words,
)
from trainer.contract import Manifest, Refused, SimulationResult
from trainer.contract.difference import Change, difference

GROUPS = ("spec", "overrides", "code", "environment")


@dataclass(frozen=True)
class Result:
    """One line of the table of results: a run in one simulation, or a run without any."""

    variant: str
    seed: int
    run: str
    simulation: str
    mean: str
    random: str
    times: str


@dataclass(frozen=True)
class Claim:
    """A variant against the first in one simulation, each number as it is read."""

    variant: str
    simulation: str
    runs: str
    difference: str
    improvement: str
    p_value: str
    verdict: str
    seeds: str


@dataclass(frozen=True)
class Differences:
    """What differs from the first run in one group: a line for each path, a value for each run."""

    group: str
    lines: Sequence[tuple[str, Sequence[str]]]


def comparison_page(records: Sequence[RunRecord], title: str, folder: Path) -> str:
    """The page of these runs as HTML, variants by what differs, links seen from `folder`.

    Raises `Refused` for fewer than two runs, or one given twice.
    """
    _refuse_what_is_no_comparison(records)
    given = variants_of(records)
    found = one_a_seed(given)
    names = [record.name for record in records]
    again = (f"axiom report {' '.join(names)}", f"axiom diff {names[0]} {names[1]}")
    comparison = compared(title, found.variants, notes=found.notes)
    return page_of(comparison, found.variants, title, folder, again, shown=given)


def page_of(
    comparison: Comparison,
    variants: Sequence[Variant],
    title: str,
    folder: Path,
    again: Sequence[str] = (),
    shown: Sequence[Variant] = (),
) -> str:
    """The page of a comparison as HTML; `variants` are what was compared, `again` the commands that do it anew.

    `shown` are the same variants with all runs that were asked for, where one a seed is not all of them.
    """
    shown = shown or variants
    records = [record for variant in shown for record in variant.records]
    environments = list(dict.fromkeys(environments_of(variants)))
    return rendered(
        "comparison.html",
        title=title,
        runs=len(records),
        comparison=comparison,
        level=f"{comparison.level:.3g}",
        coverage=f"{100 * (1 - comparison.level):.3g}",
        variants=[
            (each.label, len(whole.records), _changes(each)) for each, whole in zip(variants, shown, strict=True)
        ],
        verdicts=[*comparison_verdicts(comparison), *_environments_verdict(environments)],
        pictures=[
            (each.picture.name, figure_of(each.title, each.picture, each.notes))
            for each in figures_of(comparison, variants)
        ],
        against=[_against(each) for each in comparison.against],
        results=[line for variant in shown for line in _results(variant)],
        names=[record.name for record in records],
        differences=_differences(records),
        notes=[*comparison.notes, *(f"{record.name}: {note}" for record in records for note in record.notes)],
        again=again,
        links=[_link(record, folder) for record in records],
    )


def _environments_verdict(environments: Sequence[str]) -> list[Verdict]:
    if len(environments) < 2:
        return []
    words = f"These runs learned in different environments ({', '.join(environments)})"
    return [Verdict("open", f"{words}: their training rewards have no common scale.")]


def _against(against: Against) -> Claim:
    contrast, verdict = against.contrast, against.verdict
    tests = {True: f"{contrast.difference.count} pairs", False: "not paired"}
    return Claim(
        against.arm,
        against.simulation,
        tests[contrast.paired],
        difference_words(contrast.difference),
        probability_words(against.improvement),
        "–" if verdict.p_adjusted is None else f"{verdict.p_adjusted:.3g}",
        verdict.word,
        seeds_words(against),
    )


def _refuse_what_is_no_comparison(records: Sequence[RunRecord]) -> None:
    if len(records) < 2:
        raise Refused.one("runs", [each.name for each in records], "a comparison is of two runs or more")
    places = [record.trained_in.path.resolve() for record in records]
    twice = [record.name for record, place in zip(records, places, strict=True) if places.count(place) > 1]
    if twice:
        raise Refused.one("runs", twice[0], "is given twice; it would count as two seeds")


def _changes(variant: Variant) -> list[str]:
    return [f"{each.path}: {value_words(each.a)} → {value_words(each.b)}" for each in variant.changes]


def _evaluated(record: RunRecord) -> Mapping[str, SimulationResult]:
    return record.evaluate.eval_results if record.evaluate else {}


def _results(variant: Variant) -> list[Result]:
    lines: list[Result] = []
    for record in variant.records:
        start = (variant.label, record.spec.controls.seed, record.name)
        for name, each in _evaluated(record).items():
            times = "–" if each.times_random is None else f"{each.times_random:.3g}"
            lines.append(Result(*start, name, interval_words(each.reward), interval_words(each.random_reward), times))
        if not _evaluated(record):
            lines.append(Result(*start, "not evaluated", "–", "–", "–"))
    return lines


def _differences(records: Sequence[RunRecord]) -> list[Differences]:
    """Exactly what the manifests say differs from the first run's, group by group; runs without one are left out."""
    first = _manifest(records[0])
    if first is None:
        return []
    found = [difference(first, other) if (other := _manifest(each)) else None for each in records]
    groups: list[Differences] = []
    for group in GROUPS:
        changes: list[Mapping[str, Change]] = [
            {} if each is None else {change.path: change for change in getattr(each, group)} for each in found
        ]
        lines = [(path, _values(path, changes)) for path in sorted({path for each in changes for path in each})]
        groups += [Differences(group, lines)] if lines else []
    return groups


def _values(path: str, changes: Sequence[Mapping[str, Change]]) -> list[str]:
    """The first run's value at a path, and each other's; the same where the other does not differ."""
    first = next(each[path].a for each in changes if path in each)
    return [value_words(each[path].b if path in each else first) for each in changes]


def _manifest(record: RunRecord) -> Manifest | None:
    """A run's record as one: its training's, with the ops of its evaluation."""
    if record.train is None or record.evaluate is None:
        return record.train
    return record.train.model_copy(update={"ops": {**record.train.ops, **record.evaluate.ops}})


def _link(record: RunRecord, folder: Path) -> Link:
    """A run's own report where there is one, else its spec."""
    own = record.trained_in.stage("analyze") / "report.html"
    found = link(own if own.is_file() else record.trained_in.spec_file, folder, record.trained_in.path)
    return Link(f"{record.name}: {found.name}", found.address, found.size)
