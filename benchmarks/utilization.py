"""How much a GPU was in use over a while, as its driver's own tool tells; it needs no further package."""

import subprocess
import time
from collections.abc import Sequence
from threading import Thread
from typing import Self

import torch

EVERY_MS = 200


class Utilization:
    """Samples of the GPU in percent, one a line of what a command prints until it is ended."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._samples: list[tuple[float, float]] = []

    @classmethod
    def of_gpu(cls) -> "Utilization":
        """Of the GPU that torch uses, whatever its number is to others."""
        uuid = torch.cuda.get_device_properties(0).uuid
        query = ("--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", f"--loop-ms={EVERY_MS}")
        return cls(("nvidia-smi", f"--id=GPU-{uuid}", *query))

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def between(self, began: float, ended: float) -> list[float]:
        """The samples between two times of `time.perf_counter`."""
        return [percent for when, percent in self._samples if began <= when <= ended]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            # What a GPU does not tell, it calls `[N/A]`.
            if line.strip().isdecimal():
                self._samples.append((time.perf_counter(), float(line)))
