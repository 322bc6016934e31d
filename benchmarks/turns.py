"""Trainings in processes of their own that take turns, an update each; plain Python, so that a peer can load it too."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean
from typing import Any

ROOT = Path(__file__).parents[1]
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}


class Turns:
    """In a training: waits for its turn, and after each update tells how long it took."""

    def __init__(self) -> None:
        self._wait()

    def end(self, returns: Iterable[float]) -> None:
        """End a turn; `returns` are those of the last 100 episodes."""
        seconds = time.perf_counter() - self._began
        known = list(returns)
        told = {"seconds": seconds, "return": fmean(known) if known else None}
        sys.stdout.write(f"{json.dumps(told)}\n")
        sys.stdout.flush()
        self._wait()

    def _wait(self) -> None:
        sys.stdin.readline()
        self._began = time.perf_counter()


class Contender:
    """A training that takes turns, seen from outside: `python -m MODULE NUM_ENVS UPDATES SEED`."""

    def __init__(self, python: str, module: str, words: Sequence[int], environment: Mapping[str, str]) -> None:
        command = [python, "-m", module, *map(str, words)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=ROOT, env={**environment, **ONE_THREAD}
        )

    def update(self) -> dict[str, Any]:
        """Let it do one update: its seconds, and the mean return of its last 100 episodes."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith('{"seconds"'):
                return json.loads(line)
        raise RuntimeError(f"{self._process.args} ended within an update: {self._process.communicate()[1][-2000:]}")

    def close(self) -> None:
        """Let it end by itself."""
        self._process.communicate()
