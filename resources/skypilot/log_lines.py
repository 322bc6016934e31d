"""Bytes of a job's log as lines, kept in a file once, however often they are read; it never says what they mean."""

import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

LONGEST_LINE = 1 << 20
TAIL_LINES, TAIL_WIDTH = 30, 500
_END = re.compile(rb"\r\n|\n|\r")


class LineSplitter:
    """Cuts bytes at `\\n` and `\\r`; a line of more than a megabyte is cut in pieces, so that memory is bounded."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that are complete now; empty ones are left out."""
        *lines, self._rest = _END.split(self._rest + data)
        while len(self._rest) > LONGEST_LINE:
            lines.append(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]
        yield from (line.decode(errors="replace") for line in lines if line)

    def end(self) -> Iterator[str]:
        """What stands after the last end of a line."""
        yield from self.feed(b"\n")


class Console:
    """The text of a log in a file: a reading that begins anew adds no more than what the file does not have yet."""

    def __init__(self, file: Path) -> None:
        self._path = file
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)

    def __enter__(self) -> "Console":
        """A reading begins."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a+b")
        self._file.seek(0)
        self._known = True
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def write(self, line: str) -> bool:
        """Take a line of this reading; whether it is a new one."""
        encoded = line.encode(errors="replace") + b"\n"
        self._known = self._known and self._file.readline(len(encoded)) == encoded
        if self._known:
            return False
        self.tail.append(line[:TAIL_WIDTH])
        self._file.write(encoded)
        self._file.flush()
        return True
