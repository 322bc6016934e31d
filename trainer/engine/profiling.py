"""Profiles of whole updates as Chrome traces; it never decides which update is profiled."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch


@contextmanager
def profiled(trace: Path) -> Iterator[None]:
    """Profile the block with torch's profiler, and write the file `trace`."""
    trace.parent.mkdir(parents=True, exist_ok=True)
    with torch.profiler.profile() as profile:
        yield
    profile.export_chrome_trace(str(trace))
