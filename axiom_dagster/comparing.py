"""Compares the variants of an experiment, by name, and writes the page of it; it runs nothing and decides nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

from assets.report.experiment import Wanted, compared_runs, write_comparison
from axiom_dagster.sweeps.against_base import refuse_sweep
from resources.home import axiom_home, dagster_instance

if TYPE_CHECKING:
    import dagster as dg

    from assets.measure import Better
    from assets.report.comparison import Comparison


def compare(
    experiment: str,
    baseline: str | None = None,
    *,
    metric: str = "reward",
    better: "Better" = "higher",
    level: float = 0.05,
    single_factor: bool = True,
    out: Path | None = None,
    instance: "dg.DagsterInstance | None" = None,
) -> "Comparison":
    """The variants of an experiment against one of them, the oldest where none is named, paired by seed.

    `better` says which values of the metric are better. `level` is the chance of any false claim, two-sided.
    `single_factor` refuses an arm that differs from the baseline in more than one factor, unless all arms are one grid.
    `out` is where the page is written, if it is to be. Raises `Refused` also for an unknown experiment, baseline or
    metric, for a level that is no chance, and for a sweep.
    """
    wanted = Wanted(experiment, baseline, metric, level, single_factor, better)
    home = axiom_home()
    refuse_sweep(experiment, home)
    found, comparison = compared_runs(instance or dagster_instance(), home / "runs", wanted)
    if out is not None:
        write_comparison(out, comparison, found, wanted)
    return comparison


def place_of(experiment: str) -> Path:
    """Where the page of an experiment's comparison lies, unless another place is named."""
    return axiom_home() / "reports" / f"{experiment}-compare.html"
