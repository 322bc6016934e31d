"""Trainings that take turns: none works in another's, and one that fails says why."""

import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks.turns import Contender

TRAINING = """
import sys
from benchmarks.turns import Turns

turns = Turns()
for update in range(int(sys.argv[2])):
    print("something that a library prints")
    turns.end([update, update + 1.0] if update else [])
raise SystemExit("out of updates")
"""


@pytest.fixture
def contender(tmp_path: Path):
    (tmp_path / "a_training.py").write_text(TRAINING)
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}"}
    made = Contender(sys.executable, "a_training", (8, 2, 0), environment)
    yield made
    made.close()


def test_a_training_tells_of_each_update_and_its_wait_does_not_count(contender: Contender) -> None:
    time.sleep(0.5)
    first = contender.update()
    time.sleep(0.5)
    second = contender.update()
    assert (first["return"], second["return"]) == (None, 1.5)
    assert max(first["seconds"], second["seconds"]) < 0.4


def test_a_training_that_ends_too_early_says_why(contender: Contender) -> None:
    for _ in range(2):
        contender.update()
    with pytest.raises(RuntimeError, match="out of updates"):
        contender.update()
