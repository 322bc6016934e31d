"""The training's side of tracking: starts the process that tracks, and never waits for it but once, for a short while.

What there is to track is in the run directory anyway; that is the queue between the two.
"""

import json
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol

import trainer
from trainer.contract import Code, Reporter, RunDirectory, TrainAndEvalSpec
from trainer.contract.code import code_facts
from trainer.contract.tracking import Tracking, read_tracking, tracking_file
from trainer.engine.tracking.orders import BEGIN, DONE, END
from trainer.engine.tracking.rows import Rows
from trainer.engine.tracking.tensorboard_tracker import require_tensorboard

HURRIED_SECONDS = 5.0
ROOT = Path(trainer.__file__ or "").parents[1]
START = (
    f"import sys; sys.path.append({str(ROOT)!r}); from trainer.engine.tracking.__main__ import main; sys.exit(main())"
)


class Tracked(Protocol):
    """Who is told that the rows of a training grow."""

    def written(self) -> None:
        """A row was written; costs next to nothing and never raises."""
        ...


class Untracked:
    """Nobody is told."""

    def written(self) -> None:
        """Nothing."""


class Companion:
    """A process beside the training, in its process group, that tracks it."""

    def __init__(self, command: Sequence[str], reporter: Reporter) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._reporter, self._begun = reporter, False
        self._words: deque[str] = deque(maxlen=100)
        self._silent, self._handed_over = Event(), False
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def written(self) -> None:
        """Let it begin, once; pass on what it has said since."""
        if not self._begun:
            self._begun = True
            self._order(BEGIN)
        self._pass_on()

    def close(self, exit_code: int, seconds: float) -> str | None:
        """Say how the training ended and wait until all is handed over, no longer than that; returns what went wrong.

        A process that has handed all over tidies up and ends by itself, for which nobody waits; any other is ended.
        """
        self._order(f"{END} {exit_code}")
        in_time = self._silent.wait(seconds)
        self._pass_on()
        if self._handed_over:
            return None
        code = self._end()
        if in_time:
            return f"the tracking process ended with exit code {code}"
        return f"tracking was not done {seconds:g} s after the stage, and was ended"

    def _end(self) -> int:
        if self._silent.is_set():
            self._listener.join(HURRIED_SECONDS)
        self._process.kill()
        self._listener.join(HURRIED_SECONDS)
        self._pass_on()
        return self._process.wait()

    def _order(self, order: str) -> None:
        with suppress(OSError, ValueError):
            assert self._process.stdin is not None
            self._process.stdin.write(f"{order}\n")
            self._process.stdin.flush()

    def _listen(self) -> None:
        """Take its words until it has said that it is done, or can say no more; then wait for its end, as it must."""
        with suppress(OSError), self._process as process:
            for line in process.stdout or ():
                self._handed_over = line == f"{DONE}\n"
                if self._handed_over:
                    break
                self._words.append(line.rstrip("\n"))
            self._silent.set()

    def _pass_on(self) -> None:
        while self._words:
            self._reporter.log(self._words.popleft())


@contextmanager
def tracking(
    spec: TrainAndEvalSpec, run: RunDirectory, stage: str, reporter: Reporter, code: Code | None, found: dict[str, Any]
) -> Iterator[Tracked]:
    """While the block runs, the trackers that the spec asks for; afterwards `found["tracking"]` says how it went."""
    require_tensorboard(spec)
    if spec.wandb.mode == "disabled" and not spec.tensorboard.enabled:
        yield Untracked()
        return
    tracking_file(run, stage).unlink(missing_ok=True)
    companion = _started(command_of(run, stage, code_facts(run, code)), reporter)
    if companion is None:
        yield Untracked()
        return
    exit_code, seconds = 1, HURRIED_SECONDS
    try:
        yield companion
        exit_code, seconds = 0, spec.wandb.close_seconds
    finally:
        problem = companion.close(exit_code, min(seconds, spec.wandb.close_seconds))
        found["tracking"] = _outcome(run, stage, problem, reporter)


def _started(command: Sequence[str], reporter: Reporter) -> Companion | None:
    """The process; none where this machine cannot start one, which is said."""
    try:
        return Companion(command, reporter)
    except OSError as error:
        reporter.log(f"tracking could not be started, the stage goes on without it: {error}")
        return None


def command_of(run: RunDirectory, stage: str, facts: Mapping[str, Any], *more: str) -> list[str]:
    """The command that tracks a stage. It finds the trainer where this one lies, whatever the working directory has."""
    words = ["--run-dir", str(run.path), "--stage", stage, "--facts", json.dumps(dict(facts)), *more]
    return [sys.executable, "-P", "-c", START, *words]


def _outcome(run: RunDirectory, stage: str, problem: str | None, reporter: Reporter) -> Tracking:
    """What came of it, and a line for people where that is not all."""
    tracked = read_tracking(run, stage) or Tracking(mode="disabled")
    rows = [row["update"] for row in Rows(run).new()] if stage == "train" else []
    waiting = sum(update > tracked.updates for update in rows)
    if problem:
        missing = f"; {waiting} of {len(rows)} updates wait for `axiom sync {run.instance_name}`" if waiting else ""
        reporter.log(f"{problem}{missing}")
    return tracked.model_copy(update={"waiting": waiting, "problem": tracked.problem or problem})
