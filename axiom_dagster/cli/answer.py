"""How commands answer: JSON alone on standard output, everything for people beside it; never what the answer is."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from trainer.contract import Refused

FAILED, REFUSED = 1, 2

AsJson = Annotated[bool, typer.Option("--json", help="Answer with one JSON object as the last line of stdout.")]


def answer_json(answer: dict[str, Any]) -> None:
    """One JSON object on one line of standard output."""
    typer.echo(json.dumps(answer, allow_nan=False))


def say(line: str) -> None:
    """A line for people, on standard error."""
    typer.echo(line, err=True)


@contextmanager
def refusals(*, as_json: bool) -> Generator[None]:
    """End with exit code 2 and one clear error if the block refuses its input."""
    from trainer.contract import Refused

    try:
        yield
    except Refused as refused:
        say(f"refused: {refused}")
        if as_json:
            answer_json(_plain(refused))
        raise typer.Exit(REFUSED) from None


def _plain(refused: "Refused") -> dict[str, Any]:
    problems = [{"path": problem.path, "value": problem.value, "why": problem.why} for problem in refused.problems]
    return {"error": str(refused), "problems": json.loads(json.dumps(problems, default=str))}
