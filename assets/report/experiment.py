"""The comparison of an experiment: its runs found, what cannot be compared refused, the rest compared and as a page."""

from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from assets.measure import LEVEL, REWARD, Better
from assets.report.comparison import Comparison, compared
from assets.report.comparison_page import page_of
from assets.report.comparison_runs import Found, refuse_more_than_one_factor, refuse_unknown_metric, runs_of
from trainer.contract import Refused, write_text


@dataclass(frozen=True)
class Wanted:
    """What is compared with what, and by which measure; `baseline` none is the variant that ran first."""

    experiment: str
    baseline: str | None = None
    metric: str = REWARD
    level: float = LEVEL
    single_factor: bool = True
    better: Better = "higher"

    @property
    def command(self) -> str:
        """What compares the same again."""
        said = {
            f"--baseline {self.baseline}": self.baseline is not None,
            f"--metric {self.metric}": self.metric != REWARD,
            f"--level {self.level:g}": self.level != LEVEL,
            f"--better {self.better}": self.better != "higher",
            "--no-single-factor": not self.single_factor,
        }
        return " ".join(["axiom compare", self.experiment, *(words for words, given in said.items() if given)])


def compared_runs(instance: dg.DagsterInstance, runs: Path, wanted: Wanted) -> tuple[Found, Comparison]:
    """The runs of the experiment and how its variants differ; `runs` is the folder of the run directories.

    Raises `Refused` for what is not known (experiment, baseline, metric), for a level that is none, and for an arm that
    differs from the baseline in several factors where only one is to be tested.
    """
    found = runs_of(instance, runs, wanted.experiment, wanted.baseline)
    refuse_unknown_metric(found.variants, wanted.metric)
    if wanted.single_factor:
        refuse_more_than_one_factor(found.variants)
    return found, compared(wanted.experiment, found.variants, wanted.metric, wanted.level, found.notes, wanted.better)


def write_comparison(file: Path, comparison: Comparison, found: Found, wanted: Wanted) -> None:
    """Write the page, whole or not at all; raises `Refused` where it cannot be written."""
    file = file.absolute()
    runs = sum(len(variant.records) for variant in found.variants)
    title = f"{comparison.name}: {runs} run{'' if runs == 1 else 's'}"
    page = page_of(comparison, found.variants, title, file.parent, (wanted.command,))
    try:
        write_text(file, page)
    except OSError as error:
        why = f"cannot be written ({error.strerror or error}); nothing was left half done. Give another place by --out"
        raise Refused.one("out", str(file), why) from None
