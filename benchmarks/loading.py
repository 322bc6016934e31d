"""How long the definitions take to load, against `import dagster` alone, in fresh interpreters that take turns."""

import subprocess
import sys
import time
from statistics import median

from benchmarks.results import table

ROUNDS = 11
STATEMENTS = ("import dagster", "import axiom_dagster.definitions")


def loading() -> str:
    """Medians, their range, and the ratio."""
    for statement in STATEMENTS:
        _seconds(statement)
    times = [tuple(_seconds(statement) for statement in STATEMENTS) for _ in range(ROUNDS)]
    columns = list(zip(*times, strict=True))
    base = median(columns[0])
    rows = [
        (
            f"`{statement}`",
            f"{median(column):.2f} s",
            f"{min(column):.2f}–{max(column):.2f}",
            f"{median(column) / base:.2f}",
        )
        for statement, column in zip(STATEMENTS, columns, strict=True)
    ]
    return table(("statement", "median", "range", "times `import dagster`"), rows)


def _seconds(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True, capture_output=True)
    return time.perf_counter() - start
