"""What a run ran on: Python, packages, machine, code; read from the system, never changed, never a secret."""

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import torch


@cache
def describe_environment() -> dict[str, Any]:
    """JSON types only; the same for every manifest that one process writes."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "packages": dict(sorted((found.name.lower(), found.version) for found in distributions())),
        "code": describe_code(Path(__file__).parents[2]),
    }


def describe_code(repository: Path) -> dict[str, Any]:
    """The commit that is checked out and whether files differ from it; all none outside a git checkout."""
    commit = _git(repository, "rev-parse", "HEAD")
    branch = _git(repository, "rev-parse", "--abbrev-ref", "HEAD")
    changes = _git(repository, "status", "--porcelain")
    return {"commit": commit, "branch": branch, "dirty": None if changes is None else bool(changes)}


def _git(repository: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", repository, *words], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
