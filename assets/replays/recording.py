"""Reads a recorded episode, as the environments write it; it never runs an environment and never draws."""

import gzip
import json
import zlib
from bisect import bisect_right
from pathlib import Path
from typing import Any, cast

from trainer.contract import Refused

MOST_BYTES = 512 << 20  # of the JSON inside: ten times what the largest arena leaves


def read_recording(path: Path) -> dict[str, Any]:
    """The episode in a replay file, zlib or gzip as its name says; raises `Refused` where it cannot be read."""
    try:
        recorded = json.loads(_inflated(path))
    except OSError as error:
        raise Refused.one("replay", str(path), f"cannot be read: {error.strerror or error}") from None
    except (zlib.error, EOFError, ValueError) as error:
        raise Refused.one("replay", str(path), f"is damaged ({error}); evaluate the run again") from None
    if not isinstance(recorded, dict):
        raise Refused.one("replay", str(path), "holds no episode; it must be a JSON object")
    return cast("dict[str, Any]", recorded)


def _inflated(path: Path) -> bytes:
    """The bytes inside, never more than `MOST_BYTES`: a small file may unfold to fill the memory."""
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            inside = file.read(MOST_BYTES + 1)
    else:
        unfold = zlib.decompressobj()
        inside = unfold.decompress(path.read_bytes(), MOST_BYTES + 1)
        if not unfold.eof and len(inside) <= MOST_BYTES:
            raise EOFError("it ends too early")
    if len(inside) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES >> 20} MiB unfolded")
    return inside


class Timeline:
    """A value that changes at some steps: `[[step, value], ...]`, as MettaGrid's replays write what is not constant."""

    def __init__(self, changes: list[Any]) -> None:
        self._steps = [int(step) for step, _ in changes]
        self._values = [value for _, value in changes]

    def at(self, step: int) -> Any:
        """The value in force at a step; before the first change, the first value."""
        return self._values[max(bisect_right(self._steps, step) - 1, 0)]
