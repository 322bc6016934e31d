"""`axiom run` of an experiment of many runs: what would run, and one table while they do; it launches none itself."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from axiom_dagster.cli.answer import FAILED, answer_json, say

if TYPE_CHECKING:
    from axiom_dagster.variants.experiment import Placed
    from axiom_dagster.variants.rows import Row
    from axiom_dagster.variants.standing import Standing
    from resources.skypilot.job_config import SkypilotJobConfig
    from trainer.contract import Variants

MOST_ERRORS = 3
UI = "make ui (or: axiom ui), then http://127.0.0.1:3000/assets/variants/train?view=partitions"


def run_variants(variants: "Variants", compute: "Placed", rented: "SkypilotJobConfig | None", *, as_json: bool) -> None:
    """Launch what is missing and show all runs until they have ended; exit code 1 unless all succeeded."""
    from axiom_dagster.cli.matrix import shown_matrix
    from axiom_dagster.variants.experiment import VariantsExperiment
    from axiom_dagster.variants.rows import Rows

    experiment, rows = VariantsExperiment(variants).prepare(), Rows()
    queued: list[Standing] = []
    if rented is not None:
        _require_ready(variants, rented)
    with shown_matrix(variants.name) as shown:
        ended = experiment.run(lambda standings: shown.take(rows.look(standings)), compute=compute, told=queued.append)
    _answer(variants.name, rows.look(ended), launched=len(queued), as_json=as_json)


def show_variants(
    variants: "Variants", rented: "SkypilotJobConfig | None", words: Sequence[str], *, as_json: bool
) -> None:
    """List every run with its spec's hash and how far it is, and what those that would be launched may cost at most."""
    from axiom_dagster.variants.experiment import VariantsExperiment
    from axiom_dagster.variants.standing import is_to_do

    found = VariantsExperiment(variants).prepare().standings()
    missing = sum(map(is_to_do, found))
    cost = _cost(variants, rented, missing) if rented else None
    command = shlex.join(["axiom", "run", *words])
    if as_json:
        plain = {"launched": False, "experiment": variants.name, "would_launch": missing, "cost": cost}
        answer_json({**plain, "runs": list(map(_plain, found)), "local_command": command})
        return
    _list(found)
    typer.echo(f"\n# {missing} of {len(found)} runs would be launched")
    if cost:
        typer.echo(f"# worst case of all of them: {cost['words']}")
    typer.echo(f"\n# to run them on this machine\n{command}")


def _plain(standing: "Standing") -> dict[str, Any]:
    place = {"variant": standing.variant, "seed": standing.seed}
    return {**place, "spec_hash": f"sha256:{standing.spec_hash}", "status": standing.status}


def _list(found: "Sequence[Standing]") -> None:
    from rich.table import Table

    from axiom_dagster.summary import wide_console

    table = Table("variant", "seed", "status", "spec", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for each in found:
        table.add_row(each.variant, str(each.seed), each.status, f"sha256:{each.spec_hash}")
    wide_console().print(table)


def _cost(variants: "Variants", rented: "SkypilotJobConfig", runs: int) -> dict[str, Any]:
    """The bound of one run, which the price and the job's limits make, times the runs."""
    from resources.skypilot.plan import plan_of
    from resources.skypilot.service import get_skypilot_service

    plan = plan_of(next(iter(variants.specs.values())), rented, get_skypilot_service().sky)
    most = None if plan.estimate.most_dollars is None else plan.estimate.most_dollars * runs
    total = "no price is known" if most is None else f"${most:.2f}"
    refused = f"; each would be refused: {plan.over_budget}" if plan.over_budget else ""
    words = f"{total}, {runs} × ({plan.estimate}){refused}"
    return {"runs": runs, "most_dollars": most, "each": plan.estimate.plain(), "words": words}


def _require_ready(variants: "Variants", rented: "SkypilotJobConfig") -> None:
    from resources.skypilot.preflight import require_ready
    from resources.skypilot.service import get_skypilot_service

    require_ready([(spec, rented) for spec in variants.specs.values()], get_skypilot_service().sky)


def _answer(name: str, rows: "Sequence[Row]", *, launched: int, as_json: bool) -> None:
    """All runs once more, why the first that failed did, and where to look; exit code 1 unless all are well."""
    failed = [row for row in rows if row.standing.status != "succeeded"]
    _show_ended(name, rows, failed, to_stderr=as_json)
    if as_json:
        answer_json({"experiment": name, "launched": launched, "runs": [row.plain() for row in rows]})
    if failed:
        raise typer.Exit(FAILED)


def _show_ended(name: str, rows: "Sequence[Row]", failed: "Sequence[Row]", *, to_stderr: bool) -> None:
    from axiom_dagster.cli.matrix import runs_table, title
    from axiom_dagster.summary import wide_console

    console = wide_console(stderr=to_stderr)
    console.print()
    console.print(title(name, rows))
    console.print(runs_table(rows))
    console.print()
    for row in failed[:MOST_ERRORS]:
        run = row.standing.run
        if run and run.error:
            console.print(f"{row.standing.variant}, seed {row.standing.seed}: {run.error}", style="red", markup=False)
    if failed:
        say(f"{len(failed)} of {len(rows)} runs did not succeed; the same command launches those again, and no other")
    for place, where in (("compare", f"axiom compare {name}"), ("UI", UI)):
        console.print(f"{place:<10} {where}", markup=False)
