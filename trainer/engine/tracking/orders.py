"""What the training and the process that tracks it say to each other: begin, end, done; nothing of what is tracked."""

import os
import select

BEGIN, END = "begin", "end"
DONE = "done"  # said back: all is handed over, and what is left is the process's own tidying up
CRASHED = 1


class Orders:
    """The orders on the pipe `descriptor`; a pipe that is closed without `end` says that the training has died."""

    def __init__(self, descriptor: int) -> None:
        self.begun = False
        self.exit_code: int | None = None
        self._descriptor, self._rest = descriptor, b""

    def wait(self, seconds: float) -> None:
        """Read what has come, or comes within that time."""
        if self.exit_code is None and select.select([self._descriptor], [], [], seconds)[0]:
            text = os.read(self._descriptor, 4096)
            *lines, self._rest = (self._rest + text).split(b"\n")
            for line in lines:
                self._take(line.decode())
            if not text and self.exit_code is None:
                self.exit_code = CRASHED

    def _take(self, line: str) -> None:
        word, _, value = line.partition(" ")
        self.begun = self.begun or word == BEGIN
        if word == END:
            self.exit_code = int(value)
