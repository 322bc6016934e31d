"""Lines of a job's log, read once or many times, as messages that are delivered once; it never opens a connection."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from resources.skypilot.log_lines import Console
from trainer.contract.frames import Assembler, Gap, Message, other_text

# SkyPilot's own words between the lines of a job: signs of life, spinners, and that its server is about to restart.
PAYLOAD = re.compile(r"<sky-payload[^>]*>.*?</sky-payload>")
RETRY = "<retry>"


class ReadAgain(Exception):
    """A line is missing: the log is to be read from its beginning."""


class ServerRestarts(ConnectionError):
    """SkyPilot's server has asked to be called again."""


class LogReader:
    """What has been read of a job's log, for as many readings as it takes.

    A line that is missing is looked for by a second reading before it is given up as a gap. `cursor_file` says how far
    delivery has come, so that another process goes on from there; one that is killed between a delivery and its note
    delivers that message twice.
    """

    def __init__(
        self,
        cursor_file: Path,
        console: Path,
        deliver: Callable[[Mapping[str, Any]], None],
        say: Callable[[str], None],
        hole_seconds: float,
    ) -> None:
        self._cursor_file, self._deliver, self._say, self._hole_seconds = cursor_file, deliver, say, hole_seconds
        self._assembler = Assembler(_saved(cursor_file))
        self._waited_since: dict[tuple[str, int], float] = {}
        self.console = Console(console)

    def begin(self) -> None:
        """Another reading begins."""
        self._assembler.rewind()
        self._waited_since.clear()

    def take(self, line: str) -> bool:
        """Take a line; whether it says anything new. Raises `ReadAgain` for one that is missing before it."""
        messages = self._assembler.take(line)
        self._hand_on(messages)
        self._mind_holes()
        text = other_text(line)
        payload = text and PAYLOAD.search(text)
        if payload and RETRY in payload[0]:
            raise ServerRestarts("SkyPilot's server is about to restart")
        new_text = bool(text) and not payload and self.console.write(text)
        return new_text or bool(messages)

    def end(self) -> None:
        """The log has ended in order; raises `ReadAgain` where a line is missing that only this reading has missed."""
        while holes := self._assembler.holes:
            for hole in holes:
                if not hole.sought:
                    raise ReadAgain
                self._hand_on(self._assembler.skip(hole.writer))

    def give_up(self) -> None:
        """No more will be read: tell what is missing, a message that was never finished too."""
        self._hand_on(self._assembler.end())

    def _mind_holes(self) -> None:
        for hole in self._assembler.holes:
            since = self._waited_since.setdefault((hole.writer, hole.missing), time.monotonic())
            if not hole.passed or not (hole.full or time.monotonic() - since > self._hole_seconds):
                continue
            if not hole.sought:
                raise ReadAgain
            self._hand_on(self._assembler.skip(hole.writer))

    def _hand_on(self, found: Sequence[Gap | Message]) -> None:
        for each in found:
            if isinstance(each, Gap):
                self._say(f"{each}; the training itself goes on undisturbed")
            else:
                self._deliver_one(each)
        if found:
            self._save()

    def _save(self) -> None:
        # Not flushed to the disk, which takes longer than all else: it is to outlive this process, not the machine.
        temporary = self._cursor_file.with_suffix(".new")
        temporary.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(self._assembler.cursor()))
        temporary.replace(self._cursor_file)

    def _deliver_one(self, message: Message) -> None:
        try:
            self._deliver(message)
        except Exception as error:  # one message that cannot be used must not cost the rest
            self._say(f"a message of the job could not be used: {type(error).__name__}: {error}")


def _saved(cursor_file: Path) -> Mapping[str, Any]:
    """The cursor that an earlier process left; none where a crash of the machine tore it, and all is heard again."""
    try:
        return cast("dict[str, Any]", json.loads(cursor_file.read_text()))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
