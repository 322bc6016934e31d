"""SIGTERM ends a stage at once, or a training after a checkpoint that is near; a second one never waits."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from trainer.contract import Progress
from trainer.stopping import LEAVING_SECONDS, Cancelled, StopRequest

# A second of patience, and the time to leave.
GRACE = LEAVING_SECONDS + 1


class Kept:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.lines: list[str] = []

    def progress(self, progress: Progress) -> None:
        self.done.append(progress.done)

    def log(self, message: str) -> None:
        self.lines.append(message)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The signals are as before after each test."""
    numbers = (signal.SIGTERM, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def progress(done: int, *, checkpoint_seconds: float | None = 0.2, saved: bool = False) -> Progress:
    return Progress(
        stage="train",
        done=done,
        total=10,
        steps_per_second=1,
        eta_seconds=1,
        saved=saved,
        checkpoint_seconds=checkpoint_seconds,
    )


def sigterm() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_training_goes_on_to_a_checkpoint_that_is_near_and_leaves_there():
    kept = Kept()
    heeding = StopRequest(GRACE).heeded_by(kept)
    heeding.progress(progress(1))
    sigterm()
    heeding.progress(progress(2))
    heeding.progress(progress(3))
    with pytest.raises(Cancelled):
        heeding.progress(progress(4, saved=True))
    assert kept.done == [1, 2, 3]
    assert kept.lines == ["told to stop: training goes on to its next checkpoint, and leaves then"]


@pytest.mark.parametrize("seconds", [1.2, 1000.0, None])
def test_a_stage_whose_next_checkpoint_is_too_far_or_that_has_none_stops_at_once(seconds):
    heeding = StopRequest(GRACE).heeded_by(Kept())
    heeding.progress(progress(1, checkpoint_seconds=seconds))
    with pytest.raises(Cancelled):
        sigterm()


def test_a_stage_that_has_not_begun_stops_at_once():
    StopRequest(GRACE)
    with pytest.raises(Cancelled):
        sigterm()


def test_time_that_has_passed_since_the_last_update_counts():
    heeding = StopRequest(GRACE).heeded_by(Kept())
    heeding.progress(progress(1, checkpoint_seconds=1.5))
    time.sleep(0.7)
    sigterm()
    heeding.progress(progress(2))


def test_a_second_sigterm_ends_the_wait():
    heeding = StopRequest(GRACE).heeded_by(Kept())
    heeding.progress(progress(1))
    sigterm()
    with pytest.raises(Cancelled):
        sigterm()


def test_the_wait_ends_in_time_for_leaving_even_in_the_middle_of_something_long():
    heeding = StopRequest(LEAVING_SECONDS + 0.4).heeded_by(Kept())
    heeding.progress(progress(1))
    sigterm()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        time.sleep(30)
    assert 0.3 < time.monotonic() - began < 5


def test_without_a_grace_period_nothing_is_waited_for():
    heeding = StopRequest(grace_seconds=LEAVING_SECONDS).heeded_by(Kept())
    heeding.progress(progress(1, checkpoint_seconds=0.0))
    with pytest.raises(Cancelled):
        sigterm()


def test_whoever_leaves_is_not_disturbed_by_another_sigterm():
    StopRequest(GRACE)
    with pytest.raises(Cancelled):
        sigterm()
    sigterm()


def test_a_training_whose_last_update_is_done_ends_well():
    heeding = StopRequest(GRACE).heeded_by(Kept())
    heeding.progress(progress(9))
    sigterm()
    heeding.progress(progress(10, checkpoint_seconds=0.0, saved=True))


def test_a_stage_that_has_ended_is_not_stopped_any_more():
    stop = StopRequest(LEAVING_SECONDS + 0.1)
    stop.heeded_by(Kept()).progress(progress(1, checkpoint_seconds=0.0))
    sigterm()
    stop.over()
    sigterm()
    time.sleep(0.3)


ORPHAN = """
import os, signal, sys, time
from trainer.contract import Progress
from trainer.stopping import Cancelled, StopRequest
parent = os.getppid()
stop = StopRequest(60)
near = {"steps_per_second": 1, "eta_seconds": 1, "checkpoint_seconds": 0.1}
stop.heed(Progress(stage="train", done=1, total=2, **near))
print("ready", file=sys.stderr, flush=True)
deadline = time.monotonic() + 30
while os.getppid() == parent and time.monotonic() < deadline:
    time.sleep(0.02)
try:
    os.kill(os.getpid(), signal.SIGTERM)
    print("waits", flush=True)
except Cancelled:
    print("left at once", flush=True)
"""

PARENT = """
import subprocess, sys
orphan = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stderr=subprocess.PIPE)
assert orphan.stderr.readline() == b"ready\\n"
"""


def test_an_orphan_does_not_wait():
    # The orphan holds the pipe of standard output open until it ends.
    done = subprocess.run(
        [sys.executable, "-c", PARENT, ORPHAN], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "left at once\n", done.stderr
