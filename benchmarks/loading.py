"""How long the definitions take to load, against `import dagster` alone, in fresh interpreters that take turns."""

from collections.abc import Sequence
from statistics import median

from benchmarks.fresh import Cost, cost, usual
from benchmarks.results import table

ROUNDS = 11
STATEMENTS = ("import dagster", "import axiom_dagster.definitions")


def loading() -> str:
    """Medians, their range, and the ratio, by the clock and of the processor; each is loaded once before."""
    for statement in STATEMENTS:
        _cost(statement)
    rounds = [[_cost(statement) for statement in STATEMENTS] for _ in range(ROUNDS)]
    columns = list(zip(*rounds, strict=True))
    rows = [_row(statement, column, columns[0]) for statement, column in zip(STATEMENTS, columns, strict=True)]
    return table(("statement", "median", "range", "times `import dagster`", "… of CPU time"), rows)


def _row(statement: str, costs: Sequence[Cost], base: Sequence[Cost]) -> tuple[str, ...]:
    clock = [each.clock for each in costs]
    ratio = median(clock) / median(each.clock for each in base)
    processor = median(each.processor for each in costs) / median(each.processor for each in base)
    shown = f"{median(clock):.2f} s", f"{min(clock):.2f}–{max(clock):.2f}"
    return f"`{statement}`", *shown, f"{ratio:.2f}", f"{processor:.2f}"


def _cost(statement: str) -> Cost:
    return cost(("python", "-c", statement), usual())
