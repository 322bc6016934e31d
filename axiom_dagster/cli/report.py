"""`axiom report`: a page to look at, of one run or of several side by side; it changes no run."""

from pathlib import Path
from typing import Annotated

import typer

from axiom_dagster.cli.answer import AsJson, answer_json, refusals
from axiom_dagster.cli.runs import Experiment

Runs = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RUN]...", help="Instance names, run ids, how ids begin, or run directories."),
]
Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Where to write it; else `reports/` of the home.")]


def report(runs: Runs = None, experiment: Experiment = None, out: Out = None, as_json: AsJson = False) -> None:
    """Make the report of one run anew, or the comparison of several: one HTML file that needs no network."""
    with refusals(as_json=as_json):
        from axiom_dagster.reporting import make_report

        file = make_report(runs or [], experiment, out)
    if as_json:
        answer_json({"report": str(file), "size_bytes": file.stat().st_size})
    else:
        typer.echo(file)
