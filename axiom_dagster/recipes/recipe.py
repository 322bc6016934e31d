"""The command line of a recipe that makes several runs: shows them, or lets it make them; what they ask is its own."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar, cast

import typer

from axiom_dagster.cli.answer import FAILED, refusals, say
from axiom_dagster.cli.run import Values

if TYPE_CHECKING:
    from rich.table import Table

    from trainer.contract import TrainAndEvalSpec, Variants
    from trainer.contract.difference import Change

AskedT = TypeVar("AskedT", bound="TrainAndEvalSpec | Variants")
Asked_co = TypeVar("Asked_co", bound="TrainAndEvalSpec | Variants", covariant=True)
Quick = Annotated[bool, typer.Option("--quick", help="A smaller one: under a minute on two cores.")]
Launch = Annotated[bool, typer.Option("--launch/--no-launch", help="Only show every run that there would be.")]


class Create(Protocol[Asked_co]):
    """Makes the spec, or the `Variants`, that a recipe begins with."""

    def __call__(self, *, quick: bool) -> Asked_co:
        """A smaller one if `quick`."""
        ...


def recipe(
    create: Create[AskedT],
    runs: "Callable[[AskedT], Mapping[str, TrainAndEvalSpec]]",
    main: Callable[[AskedT], None],
    words: Sequence[str] | None = None,
) -> None:
    """Run a recipe's command line, by default this process's, and end: 0 its claim holds, 1 it does not, 2 refused.

    `create` makes the spec that `--set` changes, or `Variants`, whose base it changes; `runs` names every run that
    `main` makes of it, and `main` runs them, prints what it finds and asserts its claim. `--no-launch` makes no run:
    it shows them, and which would be refused. Where the first would be, so is the recipe.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=_first_paragraph(main))(_command(create, runs, main))
    app(args=sys.argv[1:] if words is None else list(words), prog_name=f"python {sys.argv[0]}")


def _command(
    create: Create[AskedT],
    runs: "Callable[[AskedT], Mapping[str, TrainAndEvalSpec]]",
    main: Callable[[AskedT], None],
) -> Callable[..., None]:
    def command(quick: Quick = False, launch: Launch = True, values: Values = None) -> None:
        from axiom_dagster.cli.source import with_base
        from axiom_dagster.preflight import check_spec
        from trainer.contract import set_values

        with refusals(as_json=False):
            asked = with_base(create(quick=quick), lambda base: set_values(base, values or ()))
            planned = runs(asked)
            check_spec(next(iter(planned.values())))
            if launch:
                _make(main, asked)
            else:
                _show(planned)

    return command


def _make(main: Callable[[AskedT], None], asked: AskedT) -> None:
    """Run `main`, the stages' words on one line that passes; exit code 1 where its claim does not hold."""
    from axiom_dagster.cli.console import stage_words
    from axiom_dagster.cli.interrupt import interrupts_cancel

    try:
        with stage_words(_passing if sys.stderr.isatty() else _nothing), interrupts_cancel():
            main(asked)
    except AssertionError as error:
        say(f"the claim of this recipe does not hold here: {error}")
        raise typer.Exit(FAILED) from None


def _show(planned: "Mapping[str, TrainAndEvalSpec]") -> None:
    from axiom_dagster.summary import wide_console

    console = wide_console()
    console.print(_table(planned))
    steps = sum(spec.trainer.agent_steps for spec in planned.values())
    console.print(f"{len(planned)} runs on this machine, {steps:,} agent-steps in all; nothing was run")


def _table(planned: "Mapping[str, TrainAndEvalSpec]") -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("run", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("agent-steps", justify="right")
    table.add_column("what differs from the first")
    first = next(iter(planned.values()))
    for name, spec in planned.items():
        table.add_row(name, f"{spec.trainer.agent_steps:,}", escape(_refused(spec) or _differs(first, spec)))
    return table


def _refused(spec: "TrainAndEvalSpec") -> str:
    """Why this run would be refused; empty if it would not."""
    from axiom_dagster.preflight import check_spec
    from trainer.contract import Refused

    try:
        check_spec(spec)
    except Refused as refused:
        return f"refused: {refused}"
    return ""


def _differs(first: "TrainAndEvalSpec", spec: "TrainAndEvalSpec") -> str:
    """A line for each value, each override, and the seed; a dash where nothing does."""
    from trainer.contract.difference import factor_changes

    lines = [_line(each, first.plain(), spec.plain()) for each in factor_changes(first, spec)]
    if spec.controls.seed != first.controls.seed:
        lines.append(f"controls.seed: {first.controls.seed} → {spec.controls.seed}")
    return "\n".join(dict.fromkeys(lines)) or "-"


def _line(change: "Change", a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """The two values; of a group of values that only one of the two specs has, no more than its path."""
    for path in accumulate(change.path.split(".")[:-1], "{}.{}".format):
        if _has(a, path) != _has(b, path):
            return f"{path}: given → none" if _has(a, path) else f"{path}: none → given"
    return f"{change.path}: {_shown(change.a)} → {_shown(change.b)}"


def _has(data: Any, path: str) -> bool:
    for name in path.split("."):
        if not isinstance(data, Mapping) or name not in data:
            return False
        data = cast("Mapping[str, Any]", data)[name]
    return True


def _shown(value: Any) -> str:
    """An op by its name and its own parameters; all else as it is."""
    if value is None:
        return "none"
    if not isinstance(value, dict):
        return str(value)
    ((name, params),) = cast("dict[str, dict[str, Any]]", value).items()
    if name == "imported":
        name, params = params["target"], params["params"]
    own = ", ".join(f"{key}={_words(each)}" for key, each in params.items() if each is not None)
    return f"{name}({own})" if own else name


def _words(value: Any) -> str:
    """A parameter; of one that holds others, no more than what is given: `{kwargs.length: [1, 2]}`."""
    if isinstance(value, Mapping):
        given = cast("Mapping[str, Any]", value)
        return f"{{{', '.join(f'{key}: {_inner(each)}' for key, each in given.items() if each is not None)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inner, cast('Sequence[Any]', value)))}]"
    return str(value)


def _inner(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else _words(value)


def _first_paragraph(main: Callable[..., None]) -> str:
    """What the recipe's file says it answers."""
    module = inspect.getmodule(main)
    return (inspect.getdoc(module) or "").partition("\n\n")[0]


def _passing(stage: str, words: str) -> None:
    """Show what a stage says until it says something else; its last words leave nothing."""
    passes = not words.startswith(f"{stage} succeeded")
    sys.stderr.write(f"\r\x1b[K{_short(words) if passes else ''}")
    sys.stderr.flush()


def _short(words: str) -> str:
    return words.splitlines()[0][: get_terminal_size().columns - 1] if words else ""


def _nothing(stage: str, words: str) -> None:
    """Show nothing of it: off a terminal there is only what the recipe prints, and a run's log has all words."""
