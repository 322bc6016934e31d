"""The process that takes runs out of a home's queue while no daemon of Dagster's does: `axiom run` starts and ends it.

It does what the daemon does for runs that are there: dequeues, watches, retries, reconciles. It evaluates no schedule
and no sensor, and steps aside for a daemon. It ends when its standard input does: with the process that started it.
"""

import logging
import os
import select
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import dagster as dg
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import CompositeTarget, ModuleTarget
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon
from dagster._daemon.controller import create_daemon_grpc_server_registry
from dagster._daemon.daemon import MonitoringDaemon
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from axiom_dagster.reconcile import reconcile
from axiom_dagster.variants.dequeuing import daemon_is_alive, holding_lock
from resources.home import EXPERIMENTS_LOCATION, axiom_home, dagster_instance

ROOT = Path(__file__).parents[2]
# Whatever waits in the queue is taken out, other people's runs too: every location must be known.
LOCATIONS = ("axiom_dagster.definitions", EXPERIMENTS_LOCATION)
TICK_SECONDS = 1.0

logger = logging.getLogger(__name__)


@dataclass
class Chore:
    """Something that is done again and again."""

    every_seconds: float
    do: Callable[[], object]
    due: float = 0.0

    def do_if_due(self) -> None:
        """A failure is logged, and the next time is the next chance."""
        if time.monotonic() < self.due:
            return
        self.due = time.monotonic() + self.every_seconds
        try:
            self.do()
        except Exception:
            logger.exception("%s failed", self.do)


def dequeue_until_told() -> None:
    """Work on the home's queue until standard input ends."""
    with dagster_instance() as instance, holding_lock(axiom_home()) as held:
        if not held:
            return
        target = CompositeTarget([ModuleTarget(name, None, str(ROOT), name) for name in LOCATIONS])
        with (
            cast("Any", create_daemon_grpc_server_registry(instance, "WARNING")) as registry,
            WorkspaceProcessContext(instance, target, grpc_server_registry=registry) as workspace,
        ):
            chores = _chores(instance, workspace)
            while not _told_to_end() and not daemon_is_alive(instance):
                for chore in chores:
                    chore.do_if_due()


def _chores(instance: dg.DagsterInstance, workspace: Any) -> list[Chore]:
    queue, retries, watch = QueuedRunCoordinatorDaemon(1), EventLogConsumerDaemon(), MonitoringDaemon(30)
    return [
        Chore(TICK_SECONDS, lambda: _iterate(queue, workspace)),
        Chore(5.0, lambda: _iterate(retries, workspace)),
        Chore(30.0, lambda: _iterate(watch, workspace)),
        Chore(30.0, lambda: reconcile(instance)),
    ]


def _iterate(daemon: Any, workspace: Any) -> None:
    """One round of one of the daemon's parts, with the errors that it gives."""
    for error in daemon.run_iteration(workspace):
        if error is not None:
            logger.error("%s", error)


def _told_to_end() -> bool:
    """Whether standard input has ended; waits a tick for it."""
    ready, _, _ = select.select([sys.stdin], [], [], TICK_SECONDS / 4)
    return bool(ready) and not os.read(sys.stdin.fileno(), 1)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    dequeue_until_told()
