"""Peers run beside ours: their program takes turns unchanged; one that cannot be had is a row that says why."""

import os
import sys
from pathlib import Path

import pytest

from benchmarks.environments import Environment, reason
from benchmarks.race import Entrant, not_measured, present, speed
from benchmarks.turns import Contender

PROGRAM = """
import sys
from torch.utils.tensorboard import SummaryWriter

writer = SummaryWriter("runs/one")
writer.add_text("hyperparameters", "a table")
steps = int(next(word for word in sys.argv if word.startswith("--total-timesteps=")).partition("=")[2])
for update in range(steps // 1024):
    for value in range(update):
        writer.add_scalar("charts/episodic_return", value, 0)
    writer.add_scalar("losses/value_loss", 100.0, 0)
    writer.add_scalar("charts/SPS", 1000, 0)
writer.close()
"""


def test_a_program_that_writes_to_tensorboard_ends_a_turn_with_each_update(tmp_path: Path) -> None:
    (tmp_path / "cleanrl").mkdir()
    (tmp_path / "cleanrl" / "ppo.py").write_text(PROGRAM)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    contender = Contender(sys.executable, "benchmarks.peer_cleanrl", (8, 3, 0), environment)
    assert [contender.update()["return"] for _ in range(3)] == [None, 0.0, pytest.approx(1 / 3)]
    contender.close()


def test_an_environment_that_does_not_load_is_a_row_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    broken = Environment("broken", (), "import no_such_library")
    ours = Entrant("ours", "benchmarks.peer_ours")
    entrants, missing = present([ours, Entrant("theirs", "benchmarks.theirs", broken)])
    assert entrants == [ours]
    assert not_measured(missing) == [
        ("", "theirs", "not measured: ModuleNotFoundError: No module named 'no_such_library'", "")
    ]


def test_a_reason_is_the_last_line_that_names_an_error() -> None:
    hints = "  OSError: no compiler\nhint: see above\n"
    assert (reason(hints), reason("killed\n"), reason("")) == ("OSError: no compiler", "killed", "")


def test_speeds_are_set_against_the_base_and_against_nothing_where_it_did_not_run() -> None:
    runs = {"ours": [{"seconds": 0.5}, {"seconds": 0.5}], "theirs": [{"seconds": 1.0}, {"seconds": 1.0}]}
    assert speed("8", 100, runs, "theirs") == [
        ("8", "ours", "200 (200–200)", "2.00"),
        ("8", "theirs", "100 (100–100)", "1.00"),
    ]
    assert [row[-1] for row in speed("8", 100, runs, "nobody")] == ["", ""]
