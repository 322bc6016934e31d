"""How a stage is told to stop: SIGTERM becomes an exception, at once or after a checkpoint; it never saves one."""

import ctypes
import os
import signal
import time
from types import FrameType

from trainer.contract import Progress, Reporter

GRACE_SECONDS = 20.0
# What is left of the grace period for workers to end and the manifest to be written.
LEAVING_SECONDS = 5.0


class Cancelled(BaseException):
    """The stage was told to stop; not an Exception, so that nothing on the way mistakes it for a failure."""


def end_with_parent(parent: int) -> None:
    """Get SIGTERM as soon as the process `parent` has ended, however it did; at once if it has already (Linux only)."""
    set_parent_death_signal = 1
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is None:
        return
    prctl(set_parent_death_signal, signal.SIGTERM)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


class StopRequest:
    """Turns a SIGTERM of this process into `Cancelled`, wherever the main thread is.

    Training goes on to its next checkpoint first, if that is to be had within `grace_seconds` after the SIGTERM, when
    the process may be killed: what was done since the last one need not be done again. A second SIGTERM ends the wait,
    and so does the end of that time. A stage that saves nothing stops at once, and so does a process whose parent has
    ended: another may take its place any moment. A training whose last update was due by then ends well.
    """

    def __init__(self, grace_seconds: float = GRACE_SECONDS) -> None:
        self.made = False
        self._patience = max(0.0, grace_seconds - LEAVING_SECONDS)
        self._leaving = False
        self._next_checkpoint: float | None = None
        self._parent = os.getppid()
        signal.signal(signal.SIGTERM, self._stop)

    def heeded_by(self, reporter: Reporter) -> Reporter:
        """A reporter that raises `Cancelled` after the checkpoint that was waited for.

        It raises it again where it was lost: an exception from a signal handler is, where it meets a finalizer or a
        callback from C.
        """
        return _Heeding(reporter, self)

    def heed(self, progress: Progress) -> None:
        """Note how far the next checkpoint is away; raises `Cancelled` if it is time to leave."""
        left = progress.checkpoint_seconds
        leave = self._leaving or left is None or (progress.saved and progress.done < progress.total)
        if self.made and leave:
            self._leave()
        self._next_checkpoint = None if left is None else time.monotonic() + left

    def over(self) -> None:
        """The stage has ended: there is nothing left to stop."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.made or not self._is_worth_waiting():
            self._leave()
        self.made = True
        signal.signal(signal.SIGALRM, self._stop)
        signal.setitimer(signal.ITIMER_REAL, self._patience)

    def _is_worth_waiting(self) -> bool:
        due, orphaned = self._next_checkpoint, os.getppid() != self._parent
        return due is not None and not orphaned and max(0.0, due - time.monotonic()) < self._patience

    def _leave(self) -> None:
        self.made = self._leaving = True
        self.over()
        raise Cancelled


class _Heeding:
    def __init__(self, reporter: Reporter, request: StopRequest) -> None:
        self._reporter, self._request = reporter, request
        self._told = False

    def progress(self, progress: Progress) -> None:
        """Pass on, unless it is time to leave."""
        self._request.heed(progress)
        self._reporter.progress(progress)
        if self._request.made and not self._told:
            self._told = True
            self._reporter.log("told to stop: training goes on to its next checkpoint, and leaves then")

    def log(self, message: str) -> None:
        """Pass on."""
        self._reporter.log(message)
