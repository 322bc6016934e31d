"""The report of several runs: curves and results by variant and seed, and all that differs; it writes no file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.figures import Curve, Mean, seeds_curve, t_interval
from assets.figures.curve import REWARD
from assets.figures.series import series_of
from assets.report.links import Link, link
from assets.report.page import figure_of, rendered
from assets.report.record import RunRecord
from assets.report.variants import Variant, value_words, variants_of
from assets.report.verdict import Verdict, comparison_verdicts, interval_words
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
class Summary:
    """A variant in one simulation over its seeds."""

    variant: str
    simulation: str
    mean: Mean


@dataclass(frozen=True)
class Differences:
    """What differs from the first run in one group: a line for each path, a value for each run."""

    group: str
    lines: Sequence[tuple[str, Sequence[str]]]


def comparison_page(records: Sequence[RunRecord], title: str, folder: Path) -> str:
    """The page as HTML, links seen from `folder`; raises `Refused` for fewer than two runs, or one given twice."""
    _refuse_what_is_no_comparison(records)
    variants = variants_of(records)
    summaries = _summaries(variants)
    return rendered(
        "comparison.html",
        title=title,
        runs=len(records),
        variants=[(each.label, len(each.records), _changes(each)) for each in variants],
        verdicts=_verdicts(variants, summaries),
        figure=figure_of("Learning curves", seeds_curve(_curves(variants)), tuple(_curve_notes(variants))),
        summaries=summaries,
        results=[line for variant in variants for line in _results(variant)],
        names=[record.name for record in records],
        differences=_differences(records),
        notes=_notes(records),
        links=[_link(record, folder) for record in records],
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


def _curves(variants: Sequence[Variant]) -> list[Curve]:
    environments = _environments(variants)
    return [
        Curve(variant.label, record.spec.controls.seed, environment, series_of(record.rows, *REWARD))
        for variant, environment in zip(variants, environments, strict=True)
        for record in variant.records
    ]


def _environments(variants: Sequence[Variant]) -> list[str]:
    """The environment that each variant learned in; those of one id that differ in parameters are numbered."""
    used = [variant.records[0].spec.trainer.curriculum.env for variant in variants]
    names: list[str] = []
    for each in used:
        others = [other for place, other in enumerate(used) if other.id == each.id and other not in used[:place]]
        names.append(f"{each.id} ({others.index(each) + 1})" if len(others) > 1 else each.id)
    return names


def _curve_notes(variants: Sequence[Variant]) -> list[str]:
    alone = [each.label for each in variants if len(each.records) == 1]
    notes = [f"{label}: one seed: no interval." for label in alone]
    silent = [each.name for variant in variants for each in variant.records if series_of(each.rows, *REWARD).empty]
    return [*notes, *(f"{name} finished no episode and has no curve." for name in silent)]


def _verdicts(variants: Sequence[Variant], summaries: Sequence[Summary]) -> list[Verdict]:
    """Each variant against the first, in each simulation that both were evaluated in and that is the same for both."""
    if len(variants) == 1:
        return [Verdict("open", "One variant with several seeds: there is nothing to compare it with.")]
    found: list[Verdict] = []
    environments = list(dict.fromkeys(_environments(variants)))
    if len(environments) > 1:
        words = f"These runs learned in different environments ({', '.join(environments)})"
        found.append(Verdict("open", f"{words}: their training rewards have no common scale."))
    by_simulation: dict[str, dict[str, Mean]] = {}
    for each in summaries:
        by_simulation.setdefault(each.simulation, {})[each.variant] = each.mean
    shared = {name: means for name, means in by_simulation.items() if variants[0].label in means and len(means) > 1}
    for name, means in shared.items():
        if _same_simulation(name, [each for each in variants if each.label in means]):
            found += comparison_verdicts(name, means)
        else:
            words = "its environment differs between the variants: rewards have no common scale and are not compared"
            found.append(Verdict("open", f"{name}: {words}."))
    if not shared:
        found.append(Verdict("open", "No simulation was evaluated by two variants: which is better is not known."))
    return found


def _same_simulation(name: str, variants: Sequence[Variant]) -> bool:
    """Whether the simulation of this name is one environment for all of these variants."""
    configs = [variant.records[0].spec.eval_configs.get(name) for variant in variants]
    return all(config == configs[0] for config in configs)


def _evaluated(record: RunRecord) -> Mapping[str, SimulationResult]:
    return record.evaluate.eval_results if record.evaluate else {}


def _summaries(variants: Sequence[Variant]) -> list[Summary]:
    found: list[Summary] = []
    for variant in variants:
        names = {name: None for record in variant.records for name in _evaluated(record)}
        for name in names:
            rewards = [_evaluated(each)[name].mean_reward for each in variant.records if name in _evaluated(each)]
            found.append(Summary(variant.label, name, t_interval(rewards)))
    return found


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


def _notes(records: Sequence[RunRecord]) -> list[str]:
    notes = [f"{record.name}: {note}" for record in records for note in record.notes]
    ended = [(record, record.train) for record in records]
    return [
        *notes,
        *(f"{record.name}: its training has not ended." for record, train in ended if train is None),
        *(
            f"{record.name}: its training {train.status}: {train.error or 'no reason is recorded'}."
            for record, train in ended
            if train is not None and train.status != "succeeded"
        ),
    ]


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
