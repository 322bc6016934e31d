"""Two runs side by side: which manifests are theirs and how a difference is shown; it never runs or changes one."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from axiom_dagster.run_handle import RunHandle
from trainer.contract import Interval, Manifest, Refused, RunDirectory, read_manifest
from trainer.contract.difference import Difference, ResultChange, difference

if TYPE_CHECKING:
    import dagster as dg
    from rich.table import Table

Comparable = RunHandle | Manifest | RunDirectory | str


def diff(a: Comparable, b: Comparable, instance: "dg.DagsterInstance | None" = None) -> Difference:
    """What differs between two runs: handles, instance names, run ids, run directories or manifests.

    Raises `Refused` where a run is not found or has not ended a stage.
    """
    return difference(_recorded(a, instance), _recorded(b, instance))


def run_directory_of(name: str, instance: "dg.DagsterInstance | None" = None) -> RunDirectory:
    """The directory of a run, by its own path or by the run's name or id; raises `Refused` where there is none."""
    path = Path(name)
    return RunDirectory(path.resolve()) if (path / "run.yaml").is_file() else RunDirectory(
        RunHandle.of(name, instance).directory
    )  # fmt: skip


def whole_manifest(run: RunDirectory) -> Manifest:
    """The record of a run as one: its training's, with the results and ops of its evaluation."""
    files = [run.manifest_file(stage) for stage in ("train", "evaluate") if run.manifest_file(stage).exists()]
    if not files:
        raise Refused.one("run", run.instance_name, "has no manifest; neither training nor evaluation has ended")
    first, *others = map(read_manifest, files)
    for other in others:
        first = first.model_copy(update={"eval_results": other.eval_results, "ops": {**first.ops, **other.ops}})
    return first


def _recorded(run: Comparable, instance: "dg.DagsterInstance | None") -> Manifest:
    if isinstance(run, Manifest):
        return run
    if isinstance(run, RunHandle):
        return whole_manifest(RunDirectory(run.directory))
    return whole_manifest(run_directory_of(run, instance) if isinstance(run, str) else run)


def difference_tables(found: Difference, a: str, b: str) -> "Iterator[Table]":
    """A table for each group in which something differs."""
    from rich import box
    from rich.table import Table

    for group in ("spec", "overrides", "code", "environment"):
        changes = getattr(found, group)
        if changes:
            table = Table("path", a, b, title=group, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
            for change in changes:
                table.add_row(change.path, *map(_short, (change.a, change.b)))
            yield table
    if found.results:
        columns = ("result", a, b, "difference", "intervals")
        table = Table(*columns, title="results", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for change in found.results:
            table.add_row(*_cells(change))
        yield table


def _cells(change: ResultChange) -> tuple[str, ...]:
    by = "" if change.difference is None else f"{change.difference:+.4g}"
    touching = {None: "", True: "touch", False: "apart"}[change.touching]
    return change.path, _result(change.a, change.a_interval), _result(change.b, change.b_interval), by, touching


def _result(value: object, interval: Interval | None) -> str:
    return _short(value) + (rf" \[{interval.low:.3g}, {interval.high:.3g}]" if interval else "")


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = "none" if value is None else str(value)
    return f"{text[:19]}…" if text.startswith("sha256:") else text.replace("[", r"\[")
