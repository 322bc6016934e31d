"""`axiom diff`: what differs between two runs, group by group; it changes nothing."""

from typing import Annotated

import typer

from axiom_dagster.cli.answer import FAILED, AsJson, answer_json, refusals
from axiom_dagster.cli.verify import RunName

Other = Annotated[str, typer.Argument(metavar="OTHER", help="The other run.")]


def diff(run: RunName, other: Other, as_json: AsJson = False) -> None:
    """Compare two runs; exit code 0 same spec, code and environment, 1 something of these differs, 2 not comparable."""
    with refusals(as_json=as_json):
        from axiom_dagster.comparison import diff as difference_of
        from axiom_dagster.comparison import difference_tables

        found = difference_of(run, other)
    if as_json:
        results = [{**change.plain(), "touching": change.touching} for change in found.results]
        answer_json({"same": not found.conditions, **found.plain(), "results": results})
    else:
        from axiom_dagster.summary import wide_console

        console = wide_console()
        groups = {name: len(getattr(found, name)) for name in ("spec", "overrides", "code", "environment")}
        numbers = ", ".join(f"{count} in {name}" for name, count in groups.items() if count)
        console.print(f"different: {numbers}" if numbers else "same spec, overrides, code and environment")
        console.print("" if found.results else "the same results")
        for table in difference_tables(found, run, other):
            console.print(table)
    if found.conditions:
        raise typer.Exit(FAILED)
