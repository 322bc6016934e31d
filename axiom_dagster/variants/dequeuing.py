"""Who takes runs out of a home's queue: a daemon of Dagster's where one is alive, else a process for the while."""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from resources.home import axiom_home, home_environment

DAEMON = "QUEUED_RUN_COORDINATOR"
LOCK, LOG = "dequeuer.lock", "dequeuer.log"
HEARTBEAT_SECONDS = 75.0  # A daemon's heart beats twice a minute.
END_SECONDS = 30.0


class Dequeuing:
    """Sees to it that the queue moves, for as long as somebody calls `ensure` now and then."""

    def __init__(self, instance: dg.DagsterInstance, home: Path | None = None) -> None:
        self._instance, self._home = instance, home or axiom_home()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_working(self) -> bool:
        """Whether a process that was started here takes runs out."""
        return self._process is not None and self._process.poll() is None

    def ensure(self) -> None:
        """Start a process of our own where nobody takes runs out of the queue."""
        if not self.is_working and not daemon_is_alive(self._instance) and not _is_held(self._home):
            self._process = _started(self._home)

    def end(self) -> None:
        """End the process that was started here, if any; runs that are under way go on."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None


def daemon_is_alive(instance: dg.DagsterInstance) -> bool:
    """Whether a daemon of Dagster's (`axiom ui`, `dagster-daemon`) works on this instance's queue."""
    heartbeat = instance.get_daemon_heartbeats().get(DAEMON)
    return heartbeat is not None and time.time() - heartbeat.timestamp < HEARTBEAT_SECONDS


@contextmanager
def holding_lock(home: Path) -> Generator[bool]:
    """While the block runs, no other process of ours dequeues in this home; false where another one does."""
    with (home / "dagster" / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _is_held(home: Path) -> bool:
    with holding_lock(home) as free:
        return not free


def _started(home: Path) -> subprocess.Popen[bytes]:
    """Away from the terminal, whose Ctrl-C is for the launcher; its words are in the home's `dagster/dequeuer.log`."""
    with (home / "dagster" / LOG).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "axiom_dagster.variants.dequeuer"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, **home_environment(home), "PYTHONSAFEPATH": "1"},
            start_new_session=True,
        )
