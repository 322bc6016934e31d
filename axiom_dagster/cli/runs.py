"""`axiom runs` and `axiom show`: what ran, from whatever door, newest first; they change nothing."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom_dagster.cli.answer import AsJson, answer_json, refusals
from axiom_dagster.cli.run import plain_run

if TYPE_CHECKING:
    from axiom_dagster.run_handle import RunHandle

Limit = Annotated[int, typer.Option(min=1, help="How many of the newest runs.")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help="An instance name, a run id, or how an id begins.")]


def runs(limit: Limit = 20, as_json: AsJson = False) -> None:
    """List the newest runs of this home."""
    from axiom_dagster.run_handle import all_runs

    rows = [_row(handle) for handle in all_runs(limit=limit)]
    if as_json:
        answer_json({"runs": rows})
        return
    from axiom_dagster.summary import wide_console

    wide_console().print(_table(rows) if rows else "no runs yet: try `axiom run quick`")


def show(run: RunName, as_json: AsJson = False) -> None:
    """Show one run: its results and where its files are."""
    with refusals(as_json=as_json):
        from axiom_dagster.run_handle import RunHandle

        handle = RunHandle.of(run)
        if as_json:
            answer_json(plain_run(handle))
            return
        from axiom_dagster.summary import show_summary

        show_summary(handle, to_stderr=False)


def _row(handle: "RunHandle") -> dict[str, Any]:
    from axiom_dagster.summary import last_manifest

    manifest = last_manifest(handle)
    return {
        "instance_name": handle.instance_name,
        "status": handle.status,
        "tag": handle.tags.get("axiom/tag"),
        "created_at": handle.created_at.isoformat(timespec="seconds"),
        "run_id": handle.run_id,
        "mean_reward": {name: result.mean_reward for name, result in manifest.eval_results.items()} if manifest else {},
    }


def _table(rows: list[dict[str, Any]]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("run", "status", "tag", "created (UTC)", "mean reward"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        rewards = "  ".join(f"{name} {reward:.3g}" for name, reward in row["mean_reward"].items())
        created = row["created_at"][:19].replace("T", " ")
        table.add_row(row["instance_name"], row["status"], row["tag"] or "", created, rewards)
    return table
