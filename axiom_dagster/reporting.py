"""Makes the report of a run or of several, and writes it whole or not at all; it runs nothing."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from assets.report import comparison_page, read_record, run_report
from axiom_dagster.comparison import run_directory_of
from resources.home import axiom_home
from trainer.contract import Refused, nearest, write_text

if TYPE_CHECKING:
    import dagster as dg


def make_report(
    runs: Sequence[str],
    experiment: str | None = None,
    out: Path | None = None,
    instance: "dg.DagsterInstance | None" = None,
) -> Path:
    """Write the report of one run, or the comparison of several; returns its file.

    `experiment` adds all its runs that have begun. Without `out` it lies in the home's `reports/`. Raises `Refused`
    for an unknown run or experiment, for no run, and where the file cannot be written.
    """
    names = list(dict.fromkeys([*runs, *(_runs_of(experiment, instance) if experiment else ())]))
    if not names:
        raise Refused.one("runs", names, "name at least one run, or an experiment: `axiom runs` lists them")
    records = [read_record(run_directory_of(name, instance)) for name in names]
    file = (out or _place([record.name for record in records], experiment)).absolute()
    if len(records) == 1 and not experiment:
        page = run_report(records[0]).page(file.parent)
    elif len(records) == 1:
        raise Refused.one("experiment", experiment, f"has one run; `axiom report {names[0]}` makes its report")
    else:
        page = comparison_page(records, f"{experiment or 'Comparison'}: {len(records)} runs", file.parent)
    return _written(file, page)


def _runs_of(experiment: str, instance: "dg.DagsterInstance | None") -> list[str]:
    """The runs of an experiment that have a run directory, oldest first."""
    from axiom_dagster.listing import Wanted, lines

    found = lines(Wanted(experiment=experiment), oldest_first=True, instance=instance)
    known = [line.instance_name for line in found if (axiom_home() / "runs" / line.instance_name).is_dir()]
    if not known:
        others = {line.instance_name.rsplit("-", 3)[0] for line in lines(limit=200, instance=instance)}
        raise Refused.one("experiment", experiment, f"no run has it; {nearest(experiment, others)}")
    return known


def _place(names: Sequence[str], experiment: str | None) -> Path:
    """One file for one run, and for one set of runs in whatever order."""
    digest = sha256(" ".join(sorted(names)).encode()).hexdigest()[:8]
    name = names[0] if len(names) == 1 else f"{experiment or 'comparison'}-{digest}"
    return axiom_home() / "reports" / f"{name}.html"


def _written(file: Path, page: str) -> Path:
    try:
        write_text(file, page)
    except OSError as error:
        why = f"cannot be written ({error.strerror or error}); nothing was left half done. Give another place by --out"
        raise Refused.one("out", str(file), why) from None
    return file
