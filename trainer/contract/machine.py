"""Describes this machine and its Python, without torch; read from the system, never changed, never a secret."""

import os
import platform
import socket
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

from trainer.contract.provenance import Environment


@cache
def describe_machine() -> Environment:
    """All that needs no torch; the same for every manifest that one process writes."""
    return Environment(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        platform=platform.platform(),
        machine=platform.machine(),
        hostname=socket.gethostname(),
        cpu=_line_of(Path("/proc/cpuinfo"), "model name"),
        cpu_count=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_bytes=_memory_bytes(),
        packages=dict(sorted(_package(found) for found in distributions())),
    )


def _package(found: Distribution) -> tuple[str, str]:
    """Its name in small letters and its version: two lines at the top, without parsing the long text below them."""
    said: dict[str, str] = {}
    for line in (found.read_text("METADATA") or "").splitlines():
        key, _, value = line.partition(": ")
        said.setdefault(key, value.strip())
        if {"Name", "Version"} <= said.keys():
            return said["Name"].lower(), said["Version"]
    return found.name.lower(), found.version


def _memory_bytes() -> int | None:
    kilobytes = _line_of(Path("/proc/meminfo"), "MemTotal")
    return int(kilobytes.split()[0]) * 1024 if kilobytes else None


def _line_of(file: Path, name: str) -> str | None:
    """The value of the first `name: value` line; none where there is no such file or line."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)
