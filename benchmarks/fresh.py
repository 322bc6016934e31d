"""What a command costs in a process of its own, with compiled modules kept as Python does unless told otherwise."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BIN = Path(sys.executable).parent
NOTHING_KEPT = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, and of the processors, those of all processes that the command waited for included."""

    clock: float
    processor: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.clock + other.clock, self.processor + other.processor)

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.clock - other.clock, self.processor - other.processor)


def usual(**more: str) -> dict[str, str]:
    """The variables of a process: this one's and `more`, without that by which Python compiles our sources anew."""
    return {name: value for name, value in os.environ.items() if name != NOTHING_KEPT} | more


def cost(words: Sequence[str], environment: Mapping[str, str]) -> Cost:
    """Of a command of this environment's `bin`, run to its end; raises where it fails."""
    clock, processor = time.perf_counter(), _processor()
    subprocess.run([str(BIN / words[0]), *words[1:]], env=environment, check=True, capture_output=True)
    return Cost(time.perf_counter() - clock, _processor() - processor)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
