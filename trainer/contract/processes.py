"""Names a process so that it can be found again, and interrupts it; never another that got its number since."""

import os
import signal
import socket
from pathlib import Path

PROCESS_TAG = "axiom/process"


def this_process() -> str:
    """`host pid start`: this process, told from a later one with the same number."""
    return f"{socket.gethostname()} {os.getpid()} {_start_ticks(os.getpid())}"


def interrupt(name: str) -> bool:
    """Interrupt the process of this name; false if it has ended or is on another machine."""
    host, pid, start = name.split()
    if host != socket.gethostname() or start != _start_ticks(int(pid)):
        return False
    try:
        os.kill(int(pid), signal.SIGINT)
    except ProcessLookupError:
        return False
    return True


def has_ended(name: str) -> bool:
    """Whether the process of this name is known to have ended; false for one on another machine."""
    host, pid, start = name.split()
    return host == socket.gethostname() and start != _start_ticks(int(pid))


def _start_ticks(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "-"
    return fields.rpartition(")")[2].split()[19]
