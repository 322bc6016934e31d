"""The test bed itself: where it runs, what a user of it sees, and that its processes are its own."""

import os
import pwd
from pathlib import Path

import pytest

from tests.slurm.bed import Bed
from tests.slurm.namespaced import Service
from tests.slurm.slurm_cluster import NODES, USER

pytestmark = pytest.mark.skypilot


def test_all_nodes_work_and_skypilot_may_use_them(bed: Bed) -> None:
    assert bed.cluster.ask("sinfo", "-h", "-N", "-o", "%N").split() == list(NODES)
    assert bed.cluster.states() <= {"idle", "allocated", "mixed"}
    assert "enabled" in bed.sky.sky("check", "slurm")


def test_the_users_home_is_not_the_one_of_the_bed(bed: Bed) -> None:
    assert Path(bed.sky.environment()["HOME"]) != Path.home()
    assert bed.folder in Path(pwd.getpwnam(USER).pw_dir).parents
    assert bed.folder in Path(bed.sky.environment()["HOME"]).parents


def test_the_ways_in_from_outside_are_on_loopback(bed: Bed) -> None:
    ports = {2222, 6817, 46777}
    listening = {port: address for address, port in _listening() if port in ports}
    assert listening == dict.fromkeys(ports, "7F")


def test_a_service_ends_with_all_that_it_started_however_it_detached(tmp_path: Path) -> None:
    script = f"setsid setpriv --reuid=nobody sleep 1000 & echo $! > {tmp_path}/inner; wait"
    service = Service("sleeper", ["bash", "-c", script], tmp_path)
    service.start()
    pid = int(service.pid_file.read_text())
    inside = _descendants(pid)
    assert service.running()
    service.stop()
    assert not service.running() and not service.pid_file.exists()
    assert [one for one in inside if Path(f"/proc/{one}").exists()] == []


def _descendants(pid: int) -> list[int]:
    """Waits until the sleeper sleeps."""
    found: list[int] = []
    while not any(Path(f"/proc/{one}/comm").read_text() == "sleep\n" for one in found):
        found, todo = [], [pid]
        while todo:
            one = todo.pop()
            children = Path(f"/proc/{one}/task/{one}/children").read_text().split()
            todo += [int(child) for child in children]
            found += [int(child) for child in children]
    assert os.getpid() not in found
    return found


def _listening() -> list[tuple[str, int]]:
    """The last byte of the address (`7F` of 127.0.0.1, written backwards) and the port of every TCP listener."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    pairs = [row[1].split(":") for row in rows if row[3] == "0A"]
    return [(address[-2:], int(port, 16)) for address, port in pairs]
