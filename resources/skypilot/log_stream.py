"""Follows a job's log over one HTTP stream, through whatever happens to it; it never says what the log's lines mean."""

import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import requests

from resources.skypilot.log_lines import LineSplitter
from resources.skypilot.log_reader import LogReader, ReadAgain
from resources.skypilot.remote import LogRequest
from trainer.contract import redacted

CHUNK = 1 << 16


@dataclass(frozen=True)
class Patience:
    """How long what may take, in seconds.

    SkyPilot's server gives a sign of life every 30 s while a job says nothing, so that more `silence` is a dead line.
    """

    connect: float = 5.0
    silence: float = 60.0
    hole: float = 10.0
    first_pause: float = 1.0
    longest_pause: float = 60.0
    outage: float = 30.0
    stop: float = 2.0


class RawResponse(Protocol):
    """What is used of urllib3's response."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers, whatever the case of their names."""
        ...

    def read1(self, amt: int) -> bytes:
        """What is there, at most `amt` bytes; empty at the end."""
        ...

    def shutdown(self) -> None:
        """End a read that waits in another thread."""
        ...


class LogUnavailable(ConnectionError):
    """The server answered, but not with the log."""


class LogStream:
    """The messages of a job's log, in a thread of its own, from `start` until `stop` or `finish`.

    `request` is asked anew for each connection. `deliver` gets every message once and in order, `console` all other
    text, and `say` hears of outages and gaps; all of that in the stream's thread. After each end of a stream the log
    is opened again, since a server that ends one does not say whether the job has ended.
    """

    def __init__(
        self,
        request: Callable[[], LogRequest],
        cursor_file: Path,
        deliver: Callable[[Mapping[str, Any]], None],
        say: Callable[[str], None],
        *,
        console: Path,
        patience: Patience | None = None,
    ) -> None:
        self.ended = threading.Event()
        self.last_heard = time.monotonic()
        self._request, self._patience = request, patience or Patience()
        self._reader = LogReader(cursor_file, console, deliver, say, self._patience.hole)
        self._outage = Outage(say, self._patience.outage)
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._finishing, self._finished = threading.Event(), threading.Event()
        self._raw: RawResponse | None = None
        self._thread = threading.Thread(target=self._follow, name="job-log", daemon=True)

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines of other text, for error messages."""
        return tuple(self._reader.console.tail)

    def start(self) -> "LogStream":
        """Begin to follow."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Leave at once; another stream on the same cursor goes on from here."""
        self._stopping.set()
        self._wake.set()
        if self._raw is not None:
            self._raw.shutdown()
        self._thread.join(self._patience.stop)

    def finish(self, timeout_seconds: float) -> bool:
        """The job has ended: hear its log to the end and tell what is missing of it, then stop.

        False where its end could not be reached in this time, as when the machine that had the log is gone.
        """
        self._finishing.set()
        self._wake.set()
        complete = self._finished.wait(timeout_seconds)
        self.stop()
        self._reader.give_up()
        return complete

    def _follow(self) -> None:
        pause = self._patience.first_pause
        while not self._stopping.is_set():
            heard = self.last_heard
            try:
                self._read()
                if self._finishing.is_set():
                    self._finished.set()
                    return
            except ReadAgain:
                continue
            except Exception as error:  # whatever goes wrong on the way, the log is still there
                if not self._stopping.is_set():
                    self._outage.goes_on(error)
            new = self.last_heard != heard or self._finishing.is_set()
            pause = self._patience.first_pause if new else min(2 * pause, self._patience.longest_pause)
            (self._stopping if self._finishing.is_set() else self._wake).wait(pause)

    def _read(self) -> None:
        """The log from its beginning to its end."""
        splitter = LineSplitter()
        self._reader.begin()
        with self._opened() as raw, self._reader.console:
            while data := raw.read1(CHUNK):
                self._outage.ends()
                for line in splitter.feed(data):
                    self._take(line)
            self._refuse_unmarked_end(raw)
            for line in splitter.end():
                self._take(line)
        if not self._stopping.is_set():
            self._reader.end()
            self.ended.set()

    def _refuse_unmarked_end(self, raw: RawResponse) -> None:
        """Only a chunked response marks its end; any other, as one whose very headers were torn, may be cut off."""
        if raw.headers.get("Transfer-Encoding", "").lower() != "chunked":
            raise LogUnavailable("the response does not say where it ends (no `Transfer-Encoding: chunked`)")

    def _take(self, line: str) -> None:
        if not self._stopping.is_set() and self._reader.take(line):
            self.last_heard = time.monotonic()
            self.ended.clear()

    @contextmanager
    def _opened(self) -> Generator[RawResponse]:
        request, timeout = self._request(), (self._patience.connect, self._patience.silence)
        headers = {**request.headers, "Accept-Encoding": "identity"}
        with requests.post(request.url, headers=headers, json=request.body, stream=True, timeout=timeout) as response:
            raw = cast("RawResponse", response.raw)
            if not response.ok:
                said = raw.read1(CHUNK).decode(errors="replace")
                raise LogUnavailable(f"{response.status_code} {response.reason}: {said[:300]}")
            self._raw = raw
            try:
                yield raw
            finally:
                self._raw = None


class Outage:
    """Says once that the log cannot be read, when that has lasted for a while, and once that it can again."""

    def __init__(self, say: Callable[[str], None], seconds: float) -> None:
        self._say, self._seconds = say, seconds
        self._since: float | None = None
        self._said = False

    def goes_on(self, error: Exception) -> None:
        """The log could not be read, or was cut off."""
        self._since = self._since or time.monotonic()
        if not self._said and time.monotonic() - self._since >= self._seconds:
            self._said = True
            shown = redacted(f"{type(error).__name__}: {error}")
            self._say(f"the job's log cannot be read ({shown}); the job goes on, and reading is tried again")

    def ends(self) -> None:
        """Something was read."""
        if self._said:
            self._say("the job's log can be read again")
        self._since, self._said = None, False
