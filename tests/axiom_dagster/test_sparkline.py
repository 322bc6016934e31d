"""A sparkline is known in closed form: eight blocks, means of neighbours, gaps."""

import math

import pytest

from axiom_dagster.sparkline import sparkline


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [
        (range(8), 8, "▁▂▃▄▅▆▇█"),
        (range(7, -1, -1), 40, "█▇▆▅▄▃▂▁"),
        ([-3.0, 4.0], 8, "▁█"),
        ([5.0, 5.0, 5.0], 8, "▄▄▄"),
        ([0, 0, 7, 7], 2, "▁█"),
        ([0, 0.55, 7], 8, "▁▂█"),
        ([0, 1, 2, 3, 4, 5, 6], 3, "▁▄█"),
        ([1, None, 3], 8, "▁ █"),
        ([1, math.nan, math.inf, 3], 8, "▁  █"),
        ([0, None, 7, None], 2, "▁█"),
        ([None, None], 8, "  "),
        ([], 8, ""),
        ([1, 2], 0, ""),
    ],
    ids=str,
)
def test_values_become_blocks(values, width: int, line: str) -> None:
    assert sparkline(list(values), width) == line
