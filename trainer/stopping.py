"""How a stage is told to stop: SIGTERM becomes an exception; it never decides what is saved."""

import ctypes
import os
import signal
from types import FrameType

from trainer.contract import Progress, Reporter


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
    """Turns the first SIGTERM of this process into `Cancelled`, wherever the main thread is."""

    def __init__(self) -> None:
        self.made = False
        signal.signal(signal.SIGTERM, self._stop)

    def heeded_by(self, reporter: Reporter) -> Reporter:
        """A reporter that raises `Cancelled` again at the next progress.

        An exception from a signal handler is lost where it meets a finalizer or a callback from C.
        """
        return _Heeding(reporter, self)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.made = True
        raise Cancelled


class _Heeding:
    def __init__(self, reporter: Reporter, request: StopRequest) -> None:
        self._reporter, self._request = reporter, request

    def progress(self, progress: Progress) -> None:
        """Pass on, unless a stop was requested."""
        if self._request.made:
            raise Cancelled
        self._reporter.progress(progress)

    def log(self, message: str) -> None:
        """Pass on."""
        self._reporter.log(message)
