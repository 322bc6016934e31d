"""Keeps an object in a process of its own, which answers requests over a pipe; it never knows what is asked."""

import atexit
import multiprocessing
import signal
import traceback
import weakref
from multiprocessing.connection import Connection
from typing import Any, NoReturn, Protocol

from trainer.stopping import Cancelled

_EXIT_SECONDS = 5


class WorkerFailed(RuntimeError):
    """A worker raised or died: says what lived there, and its traceback."""


class Kept(Protocol):
    """What lives in a worker."""

    def close(self) -> None:
        """Let go of everything."""
        ...


class Plan(Protocol):
    """How to make what lives in a worker; picklable for a spawned process. As a string it says what that is."""

    @property
    def process_name(self) -> str:
        """The name of the process."""
        ...

    def make(self) -> Kept:
        """Make it; called there."""
        ...


class Request(Protocol):
    """What is asked of it; picklable, as the answer is."""

    def perform(self, kept: Any, /) -> Any:
        """Do it; called there."""
        ...


class Worker:
    """The parent's end: send a request, then receive its answer; a dead worker is an error, never a hang.

    Its first answer, `None`, says that it is ready.
    """

    def __init__(self, plan: Plan) -> None:
        self._what = str(plan)
        # A spawned process inherits no other worker's pipe: however the parent dies, each worker sees its own pipe end.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        # A daemon could have no workers of its own; so the pipe must be closed before the parent, at its end, waits.
        # It is held weakly: a worker that nobody holds any more ends at once.
        atexit.register(_close, weakref.ref(self._connection))
        self._process = context.Process(target=serve, args=(theirs, plan), name=plan.process_name, daemon=False)
        self._process.start()
        theirs.close()

    def send(self, request: Request) -> None:
        """Ask; `receive` has the answer."""
        try:
            self._connection.send(request)
        except OSError:
            self._raise_failure(None)

    def receive(self) -> Any:
        """Wait for the answer; raises `WorkerFailed`, or `Cancelled` where the worker was told to stop."""
        try:
            answer, failure = self._connection.recv()
        except (EOFError, OSError):
            self._raise_failure(None)
        if failure is not None:
            self._raise_failure(failure)
        return answer

    def _raise_failure(self, failure: str | None) -> NoReturn:
        self._process.join(_EXIT_SECONDS)
        if failure is None and self._process.exitcode == -signal.SIGTERM:
            # A SIGTERM for the whole job reaches its workers too, and this process, which may have put it off.
            raise Cancelled
        if failure is not None:
            raise WorkerFailed(f"the worker of {self._what} failed:\n{failure}")
        code = self._process.exitcode
        why = f"died without a word (exit code {code}); a negative code is a signal"
        raise WorkerFailed(f"the worker of {self._what} {why}")

    def close(self) -> None:
        """Close the pipe, which ends the worker; one that does not follow is killed. Safe to call twice."""
        self._connection.close()
        self._process.join(_EXIT_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _close(connection: weakref.ref[Connection]) -> None:
    if (held := connection()) is not None:
        held.close()


def serve(connection: Connection, plan: Plan) -> None:
    """A worker's whole life: make what lives here, then answer requests until the parent's end of the pipe closes."""
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        kept = plan.make()
    except Exception:
        _deliver(connection, None, traceback.format_exc())
        return
    try:
        _answer(connection, kept)
    except Cancelled:
        # A worker of its own was told to stop.
        signal.raise_signal(signal.SIGTERM)
    finally:
        kept.close()


def _answer(connection: Connection, kept: Kept) -> None:
    answer, failure = None, None
    while _deliver(connection, answer, failure) and failure is None:
        try:
            request: Request = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = request.perform(kept)
        except Exception:
            answer, failure = None, traceback.format_exc()


def _deliver(connection: Connection, answer: Any, failure: str | None) -> bool:
    try:
        connection.send((answer, failure))
    except OSError:
        return False
    return True
