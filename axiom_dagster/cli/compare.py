"""`axiom compare`: the variants of an experiment against one of them, as a table and as a page; it changes no run."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from axiom_dagster.cli.answer import AsJson, answer_json, refusals, say

Name = Annotated[
    str, typer.Argument(metavar="EXPERIMENT", help="The name that its runs share; `axiom runs` lists them.")
]
Baseline = Annotated[
    str | None, typer.Option(metavar="VARIANT", help="Which variant the others are held against; else the first.")
]
Metric = Annotated[
    str,
    typer.Option(metavar="NAME", help="What is compared: a number of evaluation or training."),
]
Better = Annotated[Literal["higher", "lower"], typer.Option(help="Which values of the metric are better.")]
Level = Annotated[float, typer.Option(help="The chance of a false claim that is taken, two-sided, over all claims.")]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Where the page goes; else `reports/` of the home.")]
SingleFactor = Annotated[
    bool, typer.Option(help="Refuse arms that differ in several factors, unless all of them are one grid.")
]


def compare(
    experiment: Name,
    baseline: Baseline = None,
    metric: Metric = "reward",
    better: Better = "higher",
    level: Level = 0.05,
    out: Out = None,
    single_factor: SingleFactor = True,
    as_json: AsJson = False,
) -> None:
    """Compare the variants of an experiment over their seeds: better, worse or inconclusive, and what would decide."""
    with refusals(as_json=as_json):
        from axiom_dagster.comparing import compare as compared
        from axiom_dagster.comparing import place_of

        file = (out or place_of(experiment)).absolute()
        asked: dict[str, Any] = {"metric": metric, "better": better, "level": level, "single_factor": single_factor}
        found = compared(experiment, baseline, **asked, out=file)
    if as_json:
        answer_json({**found.plain(), "report": str(file)})
        return
    from axiom_dagster.cli.comparison_tables import show_comparison

    show_comparison(found)
    say(f"page  {file}")
