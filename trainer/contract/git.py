"""Asks git; it never writes to a checkout."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType


class GitFailed(RuntimeError):
    """Git is not there, took too long, or did not do what it was asked."""


def git(folder: Path, *words: str, given: bytes = b"", own: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """What git printed in `folder`, with `given` as its input and the variables `own`; raises `GitFailed`.

    The variables of a git that runs this process, as a hook's, are not passed on.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment = {**inherited, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **own}
    command = ["git", "-c", "core.fsmonitor=false", *words]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, input=given, capture_output=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise GitFailed(f"git {words[0]}: {type(error).__name__}") from None
    return done.stdout
