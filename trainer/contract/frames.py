"""Messages as self-checking lines of text that survive a job's log, and lines as messages again; never a transport.

A line is `@axiom <writer> <sequence> <mark> <crc32> <text>`: the process that wrote it, its count of lines from 1,
which part of a message it is (`.` the whole, `^` the first, `+` one between, `$` the last), a checksum over all the
rest, and its part of the base64 of the message's compressed JSON. Less than PIPE_BUF bytes of ASCII: a pipe takes it
whole.
"""

import json
import re
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

Message = dict[str, Any]

WHOLE, FIRST, BETWEEN, LAST = ".^+$"
TEXT_SIZE = 1900
WINDOW = 64
FRAME = re.compile(r"@axiom ([0-9a-f]+) ([0-9]{1,15}) ([.^+$]) ([0-9a-f]{8}) ([A-Za-z0-9+/=]+)")
COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
JOB_PREFIX = re.compile(r"\([^()]*\bpid=\d+[^()]*\)\s*")


@dataclass(frozen=True)
class Gap:
    """Lines `first` to `last` of a writer that never came; the messages that they belong to are lost."""

    writer: str
    first: int
    last: int

    def __str__(self) -> str:
        count = self.last - self.first + 1
        return f"{count} line(s) of messages are missing from the log: {self.first} to {self.last} of {self.writer}"


@dataclass(frozen=True)
class Hole:
    """The first line of a writer that is missing while later ones are there.

    `full`: no more can be held behind it. `passed`: this reading of the log has gone by it; `sought`: an earlier one
    had, so that it is not in the log.
    """

    writer: str
    missing: int
    full: bool
    passed: bool
    sought: bool


@dataclass
class Frames:
    """The writing side: one for each process."""

    writer: str = field(default_factory=lambda: token_hex(6))
    written: int = 0

    def write(self, message: Mapping[str, Any]) -> list[str]:
        """The lines of a message, to be written in this order; raises TypeError where it is not JSON."""
        text = b64encode(zlib.compress(json.dumps(message, separators=(",", ":")).encode())).decode()
        parts = [text[start : start + TEXT_SIZE] for start in range(0, len(text), TEXT_SIZE)]
        numbered = enumerate(zip(_marks(len(parts)), parts, strict=True), self.written + 1)
        lines = [_line(self.writer, sequence, mark, part) for sequence, (mark, part) in numbered]
        self.written += len(lines)
        return lines


def _line(writer: str, sequence: int, mark: str, text: str) -> str:
    return f"@axiom {writer} {sequence} {mark} {_checksum(writer, sequence, mark, text)} {text}"


def _marks(count: int) -> str:
    return WHOLE if count == 1 else FIRST + BETWEEN * (count - 2) + LAST


def _checksum(writer: str, sequence: int, mark: str, text: str) -> str:
    return f"{zlib.crc32(f'{writer} {sequence} {mark} {text}'.encode()):08x}"


def other_text(line: str) -> str | None:
    """What a log's line says besides frames; none where it was there for a frame only."""
    rest, found = FRAME.subn("", line)
    return None if found and not JOB_PREFIX.sub("", COLOUR.sub("", rest)).strip() else rest


@dataclass
class Strand:
    """What has come from one writer: all before `next`; of that, `begun` waits for the rest of its message.

    `pending` holds lines that came too early: never more than the window, those that are due first. `at` and `before`
    are the last lines that this reading of the log and the earlier ones have come to.
    """

    next: int = 1
    begun: list[str] = field(default_factory=list[str])
    pending: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    at: int = 0
    before: int = 0

    def take(self, sequence: int, mark: str, text: str, window: int) -> Iterator[Message]:
        """Take one line; gives the messages that it completes, and nothing for a line that has come before."""
        self.at = max(self.at, sequence)
        if sequence >= self.next:
            self.pending[sequence] = mark, text
        yield from self.drained()
        if len(self.pending) > window:
            del self.pending[max(self.pending)]

    def drained(self) -> Iterator[Message]:
        """The messages that are complete up to the first hole."""
        while self.next in self.pending:
            mark, text = self.pending.pop(self.next)
            self.next += 1
            if mark in (WHOLE, FIRST):
                self.begun = []
            elif not self.begun:
                continue  # its message began in a gap
            self.begun.append(text)
            if mark in (WHOLE, LAST):
                text, self.begun = "".join(self.begun), []
                yield json.loads(zlib.decompress(b64decode(text)))

    def rewind(self) -> None:
        """Another reading begins."""
        self.before, self.at = max(self.before, self.at, *self.pending), 0

    def skip(self, writer: str) -> Iterator[Gap]:
        """Go on behind the first hole."""
        if self.pending:
            first, self.next, self.begun = self.next, min(self.pending), []
            yield Gap(writer, first, self.next - 1)


class Assembler:
    """The reading side: every message once, those of a writer in the order in which they were written.

    It keeps waiting for lines that are missing; whoever feeds it decides whether the log is read again or they are
    given up, and then hears of the gap. `cursor` is how far it is, as plain data, to go on from in another process.
    """

    def __init__(self, cursor: Mapping[str, Any] | None = None, window: int = WINDOW) -> None:
        self._window = window
        self._strands = {writer: _strand(saved) for writer, saved in (cursor or {}).items()}

    def take(self, line: str) -> list[Message]:
        """The messages that this line of the log completes; frames may stand anywhere in it, torn ones count for none.

        Lines may be given again and again, as when a log is read from its beginning once more.
        """
        messages: list[Message] = []
        for writer, sequence, mark, checksum, text in FRAME.findall(COLOUR.sub("", line)):
            if checksum == _checksum(writer, int(sequence), mark, text):
                strand = self._strands.setdefault(writer, Strand())
                messages += strand.take(int(sequence), mark, text, self._window)
        return messages

    @property
    def holes(self) -> list[Hole]:
        """What is waited for, of each writer the first."""
        return [
            Hole(
                writer=writer,
                missing=strand.next,
                full=len(strand.pending) >= self._window,
                passed=strand.at >= max(strand.pending),
                sought=strand.before > strand.next,
            )
            for writer, strand in self._strands.items()
            if strand.pending
        ]

    def rewind(self) -> None:
        """The log is read from its beginning from here on."""
        for strand in self._strands.values():
            strand.rewind()

    def skip(self, writer: str) -> list[Gap | Message]:
        """Give up the first hole of a writer: the gap, and the messages behind it."""
        strand = self._strands[writer]
        return [*strand.skip(writer), *strand.drained()]

    def end(self) -> list[Gap | Message]:
        """Give up whatever is missing, a message that was never finished too: no more lines will come."""
        left: list[Gap | Message] = []
        for writer, strand in self._strands.items():
            while strand.pending:
                left += self.skip(writer)
            if strand.begun:
                left.append(Gap(writer, strand.next, strand.next))
                strand.begun = []
        return left

    def cursor(self) -> dict[str, Any]:
        """How far each writer's messages have come, as JSON types."""
        return {
            writer: {
                "next": strand.next,
                "begun": strand.begun,
                "pending": [[n, *p] for n, p in strand.pending.items()],
            }
            for writer, strand in self._strands.items()
        }


def _strand(saved: Mapping[str, Any]) -> Strand:
    pending = {sequence: (mark, text) for sequence, mark, text in saved["pending"]}
    return Strand(saved["next"], list(saved["begun"]), pending, before=max(pending, default=0))
