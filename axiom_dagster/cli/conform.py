"""`axiom conform`: tries an op on small batches before any run uses it; it never starts one."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

from axiom_dagster.cli.answer import FAILED, AsJson, answer_json, refusals

if TYPE_CHECKING:
    from trainer.algorithm.overrides import Choice

Target = Annotated[
    str,
    typer.Argument(
        metavar="OP",
        help="`module:name`, or an implementation of the slot; `:PARAM=VALUE,…` behind it sets parameters.",
    ),
]
Slot = Annotated[str, typer.Option(help="What it is to stand in: the last part of an exposed path.")]


def conform(target: Target, slot: Slot, as_json: AsJson = False) -> None:
    """Hold an op to the contract of a slot, clause by clause; exit code 1 if it breaks one."""
    with refusals(as_json=as_json):
        from trainer.contract.override_text import read_choice

        choice = read_choice(slot, target)
        verdicts = _verdicts(slot, choice)
    held = all(verdict["held"] for verdict in verdicts)
    if as_json:
        answer_json({"slot": slot, "op": choice, "held": held, "clauses": verdicts})
    else:
        _show(slot, verdicts)
    if not held:
        raise typer.Exit(FAILED)


def _verdicts(slot: str, choice: "Choice") -> list[dict[str, Any]]:
    from axiom_dagster.working_directory import working_directory_importable
    from trainer.contract import Refused

    if not find_spec("torch"):
        raise Refused.one("conform", slot, "the ops are tried with torch, which is not here: install `.[trainer]`")
    with working_directory_importable():
        verdicts = import_module("trainer.entry").conform(slot, choice)
    return [{"clause": verdict.clause, "held": verdict.held, "why": verdict.why} for verdict in verdicts]


def _show(slot: str, verdicts: list[dict[str, Any]]) -> None:
    for verdict in verdicts:
        why = f": {verdict['why']}" if verdict["why"] else ""
        typer.echo(f"{'held  ' if verdict['held'] else 'broken'}  {verdict['clause']}{why}")
    if not verdicts:
        typer.echo(f"{slot} is a whole stage: nothing small can tell what it does, so nothing is asked of it")
