"""What a training writes line by line, its metrics and its digests; a resumed training goes on where it stopped."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from trainer.contract import RunDirectory, write_text
from trainer.engine.digests import DigestLog, read_digests


class Logs:
    """The metrics and the digests of a run, whose updates up to `done` are written already, here or in another run."""

    def __init__(self, run: RunDirectory, done: int, stack: ExitStack) -> None:
        self._metrics = stack.enter_context(_reopened(run.metrics_file, done))
        kept = stack.enter_context(_reopened(run.digests_file, done))
        earlier = read_digests(run.digests_file)
        self._digests = DigestLog(kept, earlier[-1]["chain"] if earlier else "")

    def write(self, metrics: Mapping[str, Any]) -> None:
        """Append an update's metrics."""
        self._metrics.write(json.dumps(metrics) + "\n")
        self._metrics.flush()

    def digest(self, update: int, parts: Mapping[str, Any]) -> None:
        """Append the digests of what training holds after an update."""
        self._digests.record(update, parts)


def _reopened(path: Path, done: int) -> TextIO:
    """The file with no line of an update after `done`, open to append; what was written after it is repeated."""
    lines = path.read_text().splitlines() if path.exists() else []
    write_text(path, "".join(f"{line}\n" for line in _until(lines, done)))
    return path.open("a")


def _until(lines: Iterable[str], done: int) -> Iterator[str]:
    for line in lines:
        try:
            update = json.loads(line)["update"]
        except (ValueError, KeyError, TypeError):
            return
        if update > done:
            return
        yield line
