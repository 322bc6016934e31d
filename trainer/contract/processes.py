"""Names a process so that it can be found again, and interrupts it; never another that got its number since."""

import os
import signal
import socket
from datetime import datetime
from pathlib import Path

PROCESS_TAG = "axiom/process"
UNKNOWN = "?"
# The kernel gives the time of its start in whole seconds.
CLOCK_SECONDS = 2.0


def this_process() -> str:
    """`host pid start`: this process, told from a later one with the same number."""
    return f"{socket.gethostname()} {os.getpid()} {_start_ticks(os.getpid())}"


def process_at(pid: int, moment: datetime) -> str:
    """`host pid start` of the process that had this number here at `moment`; of one that has ended if it is gone."""
    ticks = _start_ticks(pid)
    alive = ticks != "-" and _started_at(int(ticks)) <= moment.timestamp() + CLOCK_SECONDS
    return f"{socket.gethostname()} {pid} {ticks if alive else UNKNOWN}"


def is_here(name: str) -> bool:
    """Whether the process of this name is, or was, on this machine. Machines are told apart by their host names."""
    return name.split(maxsplit=1)[0] == socket.gethostname()


def interrupt(name: str) -> bool:
    """Interrupt the process of this name; false if it has ended or is on another machine."""
    _, pid, start = name.split()
    if not is_here(name) or start != _start_ticks(int(pid)):
        return False
    try:
        os.kill(int(pid), signal.SIGINT)
    except ProcessLookupError:
        return False
    return True


def has_ended(name: str) -> bool:
    """Whether the process of this name is known to have ended; false for one on another machine."""
    _, pid, start = name.split()
    return is_here(name) and start != _start_ticks(int(pid))


def _started_at(ticks: int) -> float:
    """When a process began, in seconds since the epoch, from its ticks since the machine's start."""
    lines = Path("/proc/stat").read_text().splitlines()
    boot = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def _start_ticks(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "-"
    return fields.rpartition(")")[2].split()[19]
