"""Starts a service in namespaces of its own and ends it by pid with all that it started; it never searches.

The first process of a PID namespace takes every process of the namespace with it, whoever started them and however
they detached; so nothing of a service can outlive it.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

UNSHARE = (
    "unshare",
    "--mount",
    "--uts",
    "--pid",
    "--fork",
    "--mount-proc",
    "--propagation=private",
    "--wd=/",
)


@dataclass(frozen=True)
class Service:
    """A process tree of the bed; `folder` keeps its pid and its log."""

    name: str
    command: Sequence[str | Path]
    folder: Path

    @property
    def log(self) -> Path:
        """What it wrote."""
        return self.folder / f"{self.name}.log"

    @property
    def pid_file(self) -> Path:
        """Holds the pid of the process that holds the namespace."""
        return self.folder / f"{self.name}.pid"

    def running(self) -> bool:
        """Whether the process of the pid file is there and is ours."""
        try:
            pid = int(self.pid_file.read_text())
            return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"unshare\0")
        except (OSError, ValueError):
            return False

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it unless it runs."""
        if self.running():
            return
        writes = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawnp(  # not Popen: that would ask for a process that outlives its object
            UNSHARE[0],
            [*UNSHARE, *map(str, self.command)],
            {**os.environ} if environment is None else environment,
            setsid=True,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log), writes, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
        )
        self.pid_file.write_text(str(pid))

    def stop(self) -> None:
        """End it and everything that it started."""
        if self.running():
            pid = int(self.pid_file.read_text())
            # The namespace's first process; --kill-child does not reach one that has changed its user.
            for first in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                os.kill(int(first), signal.SIGKILL)
            wait_until(lambda: _gone(pid), 20, f"{self.name} (pid {pid}) does not end")
        self.pid_file.unlink(missing_ok=True)


def wait_until(condition: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Look again and again; TimeoutError with `otherwise` when the time is over."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{otherwise}: waited {seconds:.0f} s")
        time.sleep(0.2)


def _gone(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a child of this process stays a zombie until it is asked about
    return not Path(f"/proc/{pid}").exists()
