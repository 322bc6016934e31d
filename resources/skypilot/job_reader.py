"""What a job says, as Dagster Pipes hears it: one session from its first word to its last; it never asks how it is.

A job that was preempted, or that another process watched before, opens and closes its end of the pipes again and again:
here that happens once.
"""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import dagster as dg
from dagster_pipes import PIPES_PROTOCOL_VERSION, PipesMessage, PipesParams

from resources.skypilot.job_record import JobFolder
from resources.skypilot.log_stream import LogStream
from resources.skypilot.remote import LogRequest, RemoteJob, SkyPilot

DRAIN_SECONDS = 30.0


class JobLogReader(dg.PipesMessageReader):
    """Hands the messages in a job's log to Dagster, keeps its other lines, and knows when it last said something."""

    def __init__(self, sky: SkyPilot, folder: JobFolder, say: Callable[[str], Any]) -> None:
        self._sky, self._folder, self._say = sky, folder, say
        self._handler: dg.PipesMessageHandler | None = None
        self._stream: LogStream | None = None
        self._opened = self._closed = False
        self._done = -1
        self._began = self.last_progress = time.monotonic()

    @property
    def expected_writer_count(self) -> int:
        """One process writes; saying so spares the warning that Dagster's default is a preview."""
        return 1

    @contextmanager
    def read_messages(self, handler: dg.PipesMessageHandler) -> Generator[PipesParams]:
        """Read from `follow` on until the block ends; the job's end of the pipes needs no parameters."""
        self._handler = handler
        try:
            yield {}
        finally:
            self.stop()

    def follow(self, job: RemoteJob) -> None:
        """Read the job's log from where it was left, in a thread of its own."""

        def request() -> LogRequest:
            return self._sky.log_request(job)

        self._stream = LogStream(
            request, self._folder.cursor_file, self._deliver, self._say, console=self._folder.console
        )
        self._stream.start()

    @property
    def last_heard(self) -> float:
        """When the job last said anything, on the monotonic clock."""
        return self._stream.last_heard if self._stream else self._began

    def wait(self, seconds: float) -> bool:
        """Wait until the log has ended, or so long; whether it has."""
        return self._stream is not None and self._stream.ended.wait(seconds)

    def drain(self, seconds: float = DRAIN_SECONDS) -> None:
        """The job has ended: wait for its last words, and close the session."""
        if self._stream is not None and not self._stream.finish(seconds):
            self._say(f"the end of the job's log could not be read within {seconds:.0f} s")
        if self._opened and not self._closed:
            self._closed = True
            self._hand_on({"method": "closed", "params": None})

    def stop(self) -> None:
        """Read no more."""
        if self._stream is not None:
            self._stream.stop()

    def no_messages_debug_text(self) -> str:
        """For Dagster's warning."""
        return f"Attempted to read messages from the job's log. What else it says: {self._folder.console}"

    def _deliver(self, message: Mapping[str, Any]) -> None:
        self._note_progress(message)
        if not self._opened:
            self._opened = True
            self._hand_on({"method": "opened", "params": {"extras": {}}})
        if message.get("method") not in ("opened", "closed"):
            self._hand_on(message)

    def _hand_on(self, message: Mapping[str, Any]) -> None:
        if self._handler is not None:
            whole = {"__dagster_pipes_version": PIPES_PROTOCOL_VERSION, **message}
            self._handler.handle_message(cast("PipesMessage", whole))

    def _note_progress(self, message: Mapping[str, Any]) -> None:
        said = _inside(_inside(_inside(message, "params"), "payload"), "progress")
        if "done" in said and said["done"] != self._done:
            self._done, self.last_progress = said["done"], time.monotonic()


def _inside(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = data.get(key)
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}
