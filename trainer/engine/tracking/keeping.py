"""Feeds a stage's rows to its trackers and records how far they came; it never changes what the stage has written."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from trainer.contract import RunDirectory, TrainAndEvalSpec, load_experiment_spec, redacted
from trainer.contract.tracking import RanMode, Tracking, resolved_mode, wandb_run_id, write_tracking
from trainer.engine.tracking.orders import Orders
from trainer.engine.tracking.rows import Rows, results_of
from trainer.engine.tracking.tensorboard_tracker import TensorBoardTracker
from trainer.engine.tracking.tracker import Forgiving, Several, Tracker, Words
from trainer.engine.tracking.wandb_tracker import WandbTracker

POLL_SECONDS = 0.5
RECORD_SECONDS = 2.0


@dataclass
class Kept:
    """What is tracked: a stage of a run. `facts` are of the code that runs; `say` shows a line to people.

    `recording`: whether tracking.json is kept, as it is while the stage goes on.
    """

    run: RunDirectory
    stage: str
    facts: Mapping[str, Any]
    say: Words
    recording: bool = True
    tracking: Tracking = field(default_factory=lambda: Tracking(mode="disabled"))
    recorded_at: float = float("-inf")

    def __post_init__(self) -> None:
        with self.run.source_first():
            self.spec: TrainAndEvalSpec = load_experiment_spec(self.run.spec_file)

    def note(self, **found: Any) -> None:
        """Record what is new of the tracking; updates alone not more often than every two seconds."""
        self.tracking = self.tracking.model_copy(update=found)
        now = time.monotonic()
        if self.recording and (found.keys() - {"updates"} or now - self.recorded_at >= RECORD_SECONDS):
            self.recorded_at = now
            with suppress(OSError):  # a full disk: what is known is told at the end all the same
                write_tracking(self.run, self.stage, self.tracking)

    def wandb(self, mode: RanMode) -> Tracker:
        """The W&B run, noted; raises whatever W&B's client raises."""
        tracker = WandbTracker(self.spec, self.run, self.stage, self.facts, mode)
        folder = self.run.relative(self.run.stage(self.stage) / "wandb")
        self.note(mode=mode, entity=tracker.entity, url=tracker.url, folder=folder)
        return tracker

    def wandb_or_offline(self, mode: RanMode) -> Tracker:
        """The same; where online cannot be begun, offline, said aloud."""
        try:
            return self.wandb(mode)
        except Exception as error:
            if mode != "online":
                raise
            problem = redacted(f"W&B online: {type(error).__name__}: {error}")
            self.note(problem=problem)
            self.say(f"{problem}; tracking goes on offline, and `axiom sync {self.run.instance_name}` uploads it later")
            return self.wandb("offline")


def follow(kept: Kept, orders: Orders, environment: Mapping[str, str]) -> None:
    """Track the stage while it goes on, until the orders say how it ended."""
    trackers = _trackers(kept, environment)
    rows = Rows(kept.run)
    while orders.exit_code is None:
        orders.wait(POLL_SECONDS)
        if orders.begun:
            _feed(kept, trackers, rows)
    if orders.begun:
        _feed(kept, trackers, rows)
    _finish(kept, trackers, orders.exit_code)


def upload(kept: Kept, exit_code: int) -> None:
    """Bring all rows that the server lacks to W&B; the last word is JSON: the tracking, with its `problem` if any."""
    _begin(kept)
    trackers = Several([Forgiving("W&B", lambda: kept.wandb("online"), _silent)])
    if trackers.problem is None:
        _feed(kept, trackers, Rows(kept.run))
        _finish(kept, trackers, exit_code)
    kept.note(problem=trackers.problem)
    kept.say(json.dumps(kept.tracking.plain()))


def _silent(line: str) -> None:
    """What went wrong is told at the end."""


def _trackers(kept: Kept, environment: Mapping[str, str]) -> Several:
    _begin(kept)
    mode, board = resolved_mode(kept.spec.wandb, environment), kept.spec.tensorboard
    made: list[tuple[str, Callable[[], Tracker]]] = []
    if mode != "disabled":
        made.append(("W&B", lambda: kept.wandb_or_offline(mode)))
    if board.enabled:
        made.append(("TensorBoard", lambda: _board(kept)))
    return Several([Forgiving(name, make, kept.say) for name, make in made])


def _begin(kept: Kept) -> None:
    kept.note(run_id=wandb_run_id(kept.run, kept.stage), project=kept.spec.wandb.project)


def _board(kept: Kept) -> Tracker:
    folder = kept.run.resolve(kept.spec.tensorboard.log_dir)
    tracker = TensorBoardTracker(folder if kept.stage == "train" else folder / kept.stage)
    kept.note(tensorboard=kept.run.relative(folder))
    return tracker


def _feed(kept: Kept, trackers: Several, rows: Rows) -> None:
    if kept.stage == "train":
        for row in rows.new():
            trackers.log(row)
            if trackers.problem is None:
                kept.note(updates=row["update"])


def _finish(kept: Kept, trackers: Several, exit_code: int) -> None:
    if kept.stage == "evaluate":
        trackers.summarize(results_of(kept.run))
    trackers.finish(exit_code)
    kept.note(problem=kept.tracking.problem or trackers.problem, waiting=0)
