"""A job's log for people: its lines, and what its messages say; it delivers nothing and remembers nothing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from resources.skypilot.log_lines import LineSplitter
from resources.skypilot.log_reader import PAYLOAD
from resources.skypilot.remote import LogRequest, SkyPilotError
from trainer.contract import redacted
from trainer.contract.frames import Assembler, other_text

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 16
CONNECT_SECONDS = 10.0
QUIET_SECONDS = 5.0


def shown_lines(request: LogRequest, *, follow: bool) -> Iterator[str]:
    """The log's lines from the first on; without `follow` it ends when nothing has come for five seconds.

    Raises `SkyPilotError` where the log cannot be read.
    """
    import requests

    headers = {**request.headers, "Accept-Encoding": "identity"}
    timeout = (CONNECT_SECONDS, None if follow else QUIET_SECONDS)
    try:
        with requests.post(request.url, headers=headers, json=request.body, stream=True, timeout=timeout) as response:
            if not response.ok:
                raise _failed(f"{response.status_code} {response.reason}: {response.text[:300]}")
            yield from _lines(response, follow=follow)
    except requests.RequestException as error:
        raise _failed(f"{type(error).__name__}: {error}") from None


def _lines(response: "requests.Response", *, follow: bool) -> Iterator[str]:
    splitter, assembler = LineSplitter(), Assembler()
    for data in _pieces(response, follow=follow):
        for line in splitter.feed(data):
            yield from _shown(line, assembler)
    for line in splitter.end():
        yield from _shown(line, assembler)


def _pieces(response: "requests.Response", *, follow: bool) -> Iterator[bytes]:
    raw = response.raw
    try:
        while data := raw.read1(CHUNK):
            yield data
    except Exception as error:  # urllib3's own, and those of the sockets below
        if follow or "timed out" not in str(error):
            raise _failed(f"{type(error).__name__}: {error}") from None


def _shown(line: str, assembler: Assembler) -> Iterator[str]:
    for message in assembler.take(line):
        if message.get("method") == "log":
            yield redacted(str(message["params"]["message"]))
    text = other_text(line)
    if text is not None and not PAYLOAD.search(text):
        yield redacted(text)


def _failed(said: str) -> SkyPilotError:
    return SkyPilotError(
        "reading a job's log", redacted(said), "is the API server up (`sky api status`), and the job's cluster?"
    )
