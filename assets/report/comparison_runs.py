"""Finds the runs of an experiment by their tags and orders them variant by seed; it runs and changes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg

from assets.measure import REWARD
from assets.report.comparison import is_grid
from assets.report.metric import metrics_of
from assets.report.record import RunRecord, read_record
from assets.report.variants import Variant
from assets.run_tags import variant_of
from resources.declarations import declared_variants
from resources.manifest_store import INSTANCE_NAME_TAG
from resources.matrix import EXPERIMENT_TAG, SEED_TAG, VARIANT_TAG
from trainer.contract import Problem, Refused, RunDirectory, nearest
from trainer.contract.difference import factor_changes


@dataclass(frozen=True)
class Found:
    """The variants of an experiment, the baseline first, one run a seed; `notes` tell of all that is not among them."""

    variants: Sequence[Variant]
    notes: Sequence[str]


def runs_of(instance: dg.DagsterInstance, runs: Path, experiment: str, baseline: str | None = None) -> Found:
    """All variants of an experiment, as they are declared, else the oldest first; `runs` has the run directories.

    Raises `Refused` where no run has the experiment, none can be read, or no variant has the baseline's name.
    """
    tagged = instance.get_runs(filters=dg.RunsFilter(tags={EXPERIMENT_TAG: experiment}), ascending=True)
    if not tagged:
        known = {value for _, values in instance.get_run_tags([EXPERIMENT_TAG]) for value in values}
        raise Refused.one("experiment", experiment, f"no run has it; {nearest(experiment, known)}")
    groups, notes = _grouped(tagged, runs)
    if not groups:
        raise Refused.one(
            "experiment", experiment, f"none of its {len(tagged)} runs can be compared: {' '.join(notes)}"
        )
    declared = [name for name in declared_variants(runs.parent, experiment) if name in groups]
    ordered = {name: groups[name] for name in (*declared, *groups)}
    variants = [Variant(name, list(records.values())) for name, records in _first(ordered, baseline)]
    return one_a_seed(variants, notes)


def _grouped(tagged: Sequence[dg.DagsterRun], runs: Path) -> tuple[dict[str, dict[str, RunRecord]], list[str]]:
    """Variant → run → what its directory holds, and in words which runs have nothing to read."""
    groups: dict[str, dict[str, RunRecord]] = {}
    notes: list[str] = []
    for run in tagged:
        name = run.tags.get(INSTANCE_NAME_TAG, run.run_id)
        directory = RunDirectory(runs / name)
        if not directory.spec_file.is_file():
            notes.append(f"{_called(run)} ({name}) has not begun: {run.status.value.lower()}.")
            continue
        try:
            record = read_record(directory)
        except Refused as refused:
            notes.append(f"{name} is left out, it cannot be read: {refused}.")
            continue
        groups.setdefault(run.tags.get(VARIANT_TAG) or variant_of(record.spec), {})[name] = record
    return groups, notes


def one_a_seed(variants: Sequence[Variant], notes: Sequence[str] = ()) -> Found:
    """Of several runs of a variant and a seed the newest that succeeded; in words, which were left out and why."""
    said, kept = list(notes), list[Variant]()
    base = variants[0].records[0].spec
    for variant in variants:
        records, left_out = _newest(variant)
        said += [*left_out, *_mixed(variant.label, records)]
        kept.append(replace(variant, records=records, changes=factor_changes(base, records[0].spec)))
    return Found(kept, said)


def refuse_more_than_one_factor(variants: Sequence[Variant]) -> None:
    """Refuse arms that differ from the baseline in several factors, unless all of them are one grid."""
    many = [variant for variant in variants if len(variant.changes) > 1]
    if many and not is_grid(variants):
        raise Refused(
            Problem(
                variant.label,
                ", ".join(change.path for change in variant.changes),
                f"{len(variant.changes)} factors differ from {variants[0].label}: what a result is due to is not "
                "known; change one, run the whole grid, or allow it (--no-single-factor)",
            )
            for variant in many
        )


def refuse_unknown_metric(variants: Sequence[Variant], metric: str) -> None:
    """Refuse a metric that no run reports; where no run has ended a stage nothing but the reward can be asked for."""
    known = {name for variant in variants for record in variant.records for name in metrics_of(record)}
    if metric not in known and (known or metric != REWARD):
        raise Refused.one("metric", metric, f"no run reports it; {nearest(metric, known or {REWARD})}")


def _first(groups: dict[str, dict[str, RunRecord]], baseline: str | None) -> Iterator[tuple[str, dict[str, RunRecord]]]:
    if baseline is not None and baseline not in groups:
        raise Refused.one("baseline", baseline, f"no run is of this variant; {nearest(baseline, groups)}")
    first = baseline or next(iter(groups))
    yield first, groups[first]
    yield from ((name, records) for name, records in groups.items() if name != first)


def _newest(variant: Variant) -> tuple[list[RunRecord], list[str]]:
    by_seed: dict[int, list[RunRecord]] = {}
    for record in variant.records:
        by_seed.setdefault(record.spec.controls.seed, []).append(record)
    kept, notes = list[RunRecord](), list[str]()
    for seed, records in sorted(by_seed.items()):
        best = max(enumerate(records), key=lambda pair: (_succeeded(pair[1]), pair[0]))[1]
        kept.append(best)
        if len(records) > 1:
            word = "the newest that succeeded" if _succeeded(best) else "the newest; none succeeded"
            notes.append(f"{variant.label}, seed {seed}: {len(records)} runs; {best.name} counts, {word}.")
        if not _succeeded(best):
            notes.append(f"{best.name}: {_why(best)}.")
    return kept, notes


def _succeeded(record: RunRecord) -> bool:
    return record.evaluate is not None and record.evaluate.status == "succeeded"


def _why(record: RunRecord) -> str:
    """Why a run counts for nothing."""
    if record.train is None:
        return "its training has not ended"
    for words, stage in (("evaluation", record.evaluate), ("training", record.train)):
        if stage is not None and stage.status != "succeeded":
            return f"its {words} {stage.status}: {stage.error or 'no reason is recorded'}"
    return "it has no evaluation"


def _mixed(name: str, records: Sequence[RunRecord]) -> list[str]:
    paths = sorted({each.path for other in records for each in factor_changes(records[0].spec, other.spec)})
    words = "its runs are of different specs, so what differs between variants is not the same for every seed"
    return [f"{name}: {words}: {', '.join(paths)}."] if paths else []


def _called(run: dg.DagsterRun) -> str:
    return f"{run.tags.get(VARIANT_TAG, 'a run')}, seed {run.tags.get(SEED_TAG, 'unknown')}"
