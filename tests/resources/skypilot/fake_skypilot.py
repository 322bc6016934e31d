"""A SkyPilot of the same contract on this machine: jobs are processes, machines are folders, prices are given.

All that it knows lies in files, so that a process that comes after a killed one finds the same jobs. Each job is run by
a process of its own (this file as a program), which outlives whoever launched it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from resources.skypilot.remote import (
    OURS,
    JobState,
    LogRequest,
    Mode,
    Offer,
    RemoteJob,
    SkyPilotError,
)
from trainer.contract import write_text

NAMES = ("H100", "L4", "A10G", "L40S", "A100", "A100-80GB")


class FakeSkyPilot:
    """`hourly_dollars` is the price of a node, `launch_seconds` the time that a machine takes to come up.

    `refuses` is what it says of every launch, if anything.
    """

    def __init__(
        self, folder: Path, hourly_dollars: float | None = None, launch_seconds: float = 0.0, refuses: str = ""
    ) -> None:
        self.folder, self.hourly_dollars = folder, hourly_dollars
        self.launch_seconds, self.refuses = launch_seconds, refuses
        self.infra = ["slurm/here"]
        for kind in ("requests", "jobs", "machines"):
            (folder / kind).mkdir(parents=True, exist_ok=True)

    def launch(self, task: Mapping[str, Any], name: str, mode: Mode, cluster: str | None = None) -> str:
        """See `SkyPilot.launch`."""
        number = self._claim("requests")
        request = {"id": number, "name": name, "mode": mode, "cluster": cluster, "task": dict(task)}
        request |= {"seconds": self.launch_seconds, "refuses": self.refuses, "state": "pending", "job_id": None}
        _save(self.folder / "requests" / number, request)
        command = [sys.executable, __file__, str(self.folder), number]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
        # The shell in between ends at once, so that the runner is nobody's child and leaves no zombie here.
        starter = ["sh", "-c", '"$@" &', "sh", *command]
        subprocess.run(starter, check=True, env=environment, start_new_session=True, **quiet)
        return number

    def launched(self, request_id: str, name: str, mode: Mode, cluster: str | None = None) -> RemoteJob:
        """See `SkyPilot.launched`."""
        while (request := _load(self.folder / "requests" / request_id))["state"] == "pending":
            time.sleep(0.02)
        if request["state"] == "failed":
            raise SkyPilotError(f"launch of {name}", request["refuses"], "Ask for something else.")
        return self._job(request["job_id"])

    def pending(self, *, name: str | None = None, cluster: str | None = None) -> Sequence[str]:
        """See `SkyPilot.pending`."""
        requests = (_load(path) for path in sorted((self.folder / "requests").iterdir()) if _file(path).exists())
        wanted = [each for each in requests if name in (None, each["name"]) and cluster in (None, each["cluster"])]
        return [each["id"] for each in wanted if each["state"] == "pending"]

    def find(self, name: str, mode: Mode, cluster: str | None = None) -> Sequence[RemoteJob]:
        """See `SkyPilot.find`."""
        return [job for job in self._jobs() if (job.name, job.mode) == (name, mode)]

    def jobs(self) -> Sequence[RemoteJob]:
        """See `SkyPilot.jobs`."""
        return [job for job in self._jobs() if job.name.startswith(OURS)]

    def status(self, job: RemoteJob) -> RemoteJob:
        """See `SkyPilot.status`."""
        with suppress(FileNotFoundError):
            return self._job(str(job.job_id))
        return job.model_copy(update={"state": JobState.UNKNOWN})

    def cancel(self, job: RemoteJob) -> None:
        """See `SkyPilot.cancel`."""
        if not self.status(job).state.final:
            (self._place(job) / "cancelled").touch()

    def down(self, cluster: str) -> None:
        """See `SkyPilot.down`."""
        for request_id in self.pending(cluster=cluster):
            (self.folder / "requests" / request_id / "withdrawn").touch()
            with suppress(SkyPilotError):
                self.launched(request_id, "any", "cluster")
        for job in self._jobs():
            if job.cluster == cluster:
                self.cancel(job)
                self.wait_for(job)
        shutil.rmtree(self.folder / "machines" / cluster, ignore_errors=True)

    def log_request(self, job: RemoteJob) -> LogRequest:
        """See `SkyPilot.log_request`."""
        return LogRequest(url=f"http://127.0.0.1:{self._port}/logs", headers={}, body={"job_id": job.job_id})

    def offers(self, task: Mapping[str, Any]) -> Sequence[Offer]:
        """See `SkyPilot.offers`."""
        kinds = list(task["resources"].get("accelerators", {}))
        nodes, price = task.get("num_nodes", 1), self.hourly_dollars
        dollars = None if price is None else price * nodes
        offer = {"infra": self.infra[0], "nodes": nodes, "dollars_per_hour": dollars}
        return [Offer(resources=kind, **offer) for kind in kinds or ["cpu"] if kind in (*NAMES, "cpu")]

    def enabled_infra(self) -> Sequence[str]:
        """See `SkyPilot.enabled_infra`."""
        return self.infra

    def fetch(self, job: RemoteJob, remote: str, local: Path) -> None:
        """See `SkyPilot.fetch`."""
        there = self.machine(job) / remote.removeprefix("~/")
        if not there.is_dir():
            raise SkyPilotError(f"copy of {remote}", "no such folder", "Its machine may be gone.")
        shutil.copytree(there, local, dirs_exist_ok=True)

    def preempt(self, job: RemoteJob) -> None:
        """Take the machine of a managed job away; it goes on elsewhere."""
        (self._place(job) / "preempted").touch()

    def machine(self, job: RemoteJob) -> Path:
        """The home folder of the job's machine."""
        return self.folder / "machines" / (job.cluster or f"managed-{job.job_id}")

    def wait_for(self, job: RemoteJob, seconds: float = 60.0) -> RemoteJob:
        """The job when it has ended."""
        end = time.monotonic() + seconds
        while not (now := self.status(job)).state.final:
            assert time.monotonic() < end, f"{now} has not ended within {seconds} s"
            time.sleep(0.02)
        return now

    def end(self) -> None:
        """Cancel whatever runs and wait for it: a test leaves nothing behind."""
        for request in sorted((self.folder / "requests").iterdir()):
            with suppress(SkyPilotError):
                self.launched(request.name, "any", "managed")
        for job in self._jobs():
            self.cancel(job)
            self.wait_for(job)

    @property
    def launches(self) -> int:
        """How many launches were ever asked for."""
        return len(list((self.folder / "requests").iterdir()))

    def processes(self) -> list[int]:
        """Processes that work on machines of this fake."""
        found = []
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if folder.name.isdigit() and str(self.folder / "machines") in (folder / "environ").read_text():
                    found.append(int(folder.name))
        return found

    def _jobs(self) -> list[RemoteJob]:
        places = [place for place in (self.folder / "jobs").iterdir() if _file(place).exists()]
        return [self._job(place.name) for place in sorted(places, key=lambda place: -int(place.name))]

    def _job(self, job_id: str) -> RemoteJob:
        return RemoteJob.accept(_load(self.folder / "jobs" / job_id))

    def _place(self, job: RemoteJob) -> Path:
        return self.folder / "jobs" / str(job.job_id)

    def _claim(self, kind: str) -> str:
        return _claim(self.folder / kind)

    @cached_property
    def _port(self) -> int:
        """Of a server of this process that streams logs."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                with suppress(OSError):
                    for data in fake._log(str(asked["job_id"])):
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.write(b"0\r\n\r\n")
                self.close_connection = True

            def log_message(self, *words: Any) -> None:
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_address[1]

    def _log(self, job_id: str) -> Iterator[bytes]:
        with (self.folder / "jobs" / job_id / "log").open("rb") as log:
            while True:
                ended = self._job(job_id).state.final
                while data := log.read(1 << 16):
                    yield data
                if ended:
                    return
                time.sleep(0.1)


def _contents(mounts: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Every file of the mounts, folders file by file: where it goes, and what is in it."""
    for remote, local in mounts.items():
        place = Path(local)
        for file in (file for file in place.rglob("*") if file.is_file()) if place.is_dir() else (place,):
            yield f"{remote}/{file.relative_to(place)}".removesuffix("/."), file.read_bytes()


class Runner:
    """The process that launches one job and stays with it to its end."""

    def __init__(self, folder: Path, request_id: str) -> None:
        self.folder, self.request_place = folder, folder / "requests" / request_id
        self.request = _load(self.request_place)
        self.task = self.request["task"]

    def run(self) -> None:
        if not self._machines_come():
            self._refuse("the cluster was removed")
            return
        if self.request["refuses"]:
            # As with the real one, what had come up of a cluster stays up.
            (self.folder / "machines" / (self.request["cluster"] or "failed")).mkdir(exist_ok=True)
            self._refuse(self.request["refuses"])
            return
        self.job = self._new_job()
        self.place = self.folder / "jobs" / str(self.job.job_id)
        self.machine = self.folder / "machines" / (self.job.cluster or f"managed-{self.job.job_id}")
        self._provision()
        (self.place / "log").touch()
        self._note(state=JobState.STARTING)
        _save(self.request_place, self.request | {"state": "done", "job_id": str(self.job.job_id)})
        while (code := self._script("setup") or self._script("run")) == -1:
            self._recover()
        self._end(code)

    def _machines_come(self) -> bool:
        """After the time that they take, unless their cluster is removed before."""
        end = time.monotonic() + self.request["seconds"]
        while time.monotonic() < end:
            if (self.request_place / "withdrawn").exists():
                return False
            time.sleep(0.02)
        return True

    def _refuse(self, why: str) -> None:
        _save(self.request_place, self.request | {"state": "failed", "refuses": why})

    def _new_job(self) -> RemoteJob:
        job_id = int(_claim(self.folder / "jobs"))
        names = {name: self.request[name] for name in ("name", "mode", "cluster")}
        now = datetime.now(UTC)
        return RemoteJob(job_id=job_id, state=JobState.PENDING, resources="1x here", submitted_at=now, **names)

    def _provision(self) -> None:
        """The machine with all that travels."""
        self.machine.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.task["workdir"], self.machine / "sky_workdir", dirs_exist_ok=True)
        for remote, content in _contents(self.task["file_mounts"]):
            target = self.machine / remote.removeprefix("~/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    def _recover(self) -> None:
        self._note(state=JobState.RECOVERING, recoveries=self.job.recoveries + 1)
        shutil.rmtree(self.machine)
        self._provision()
        (self.place / "preempted").unlink()

    def _script(self, name: str) -> int:
        """The script's exit code; -1 where its machine was taken away, -2 where it was cancelled."""
        if name == "run":
            started = self.job.started_at or datetime.now(UTC)
            self._note(state=JobState.RUNNING, started_at=started)
        node = {"NUM_NODES": "1", "NODE_RANK": "0", "NODE_IPS": "127.0.0.1", "NUM_GPUS_PER_NODE": "0"}
        node["TASK_ID"] = f"fake-{self.job.job_id}"
        environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ},
            **{f"SKYPILOT_{key}": value for key, value in node.items()},
            **self.task["envs"],
            **self.task.get("secrets", {}),
            "HOME": str(self.machine),
        }
        with (self.place / "log").open("ab") as log:
            process = subprocess.Popen(
                ["bash", "-c", self.task[name]], env=environment, stdout=log, stderr=log, start_new_session=True
            )
            while process.poll() is None:
                for flag, code, number in (("cancelled", -2, signal.SIGTERM), ("preempted", -1, signal.SIGKILL)):
                    if (self.place / flag).exists():
                        self._end_group(process, number)
                        return code
                time.sleep(0.02)
            return process.returncode

    def _end_group(self, process: subprocess.Popen[bytes], number: int) -> None:
        """SkyPilot ends every process of a job; `timeout` has put the trainer into a group of its own."""
        for signal_number in (number, signal.SIGKILL):
            for pid in self._on_this_machine():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal_number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
        process.wait()

    def _on_this_machine(self) -> list[int]:
        found = []
        mark = f"HOME={self.machine}".encode()
        for folder in Path("/proc").iterdir():
            with suppress(OSError):
                if folder.name.isdigit() and mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found

    def _end(self, code: int) -> None:
        state = {0: JobState.SUCCEEDED, -2: JobState.CANCELLED}.get(code, JobState.FAILED)
        failure = f"Job exited with code {code}." if state is JobState.FAILED else None
        if self.job.mode == "managed":
            shutil.rmtree(self.machine)
        self._note(state=state, ended_at=datetime.now(UTC), failure=failure)

    def _note(self, **changes: Any) -> None:
        self.job = self.job.model_copy(update=changes)
        _save(self.place, self.job.plain())


def _claim(folder: Path) -> str:
    """A number that nobody else has."""
    number = len(list(folder.iterdir())) + 1
    while True:
        try:
            (folder / str(number)).mkdir()
        except FileExistsError:
            number += 1
        else:
            return str(number)


def _file(place: Path) -> Path:
    return place / "state.json"


def _load(place: Path) -> dict[str, Any]:
    return json.loads(_file(place).read_text())


def _save(place: Path, data: Mapping[str, Any]) -> None:
    write_text(_file(place), json.dumps(data))


if __name__ == "__main__":
    Runner(Path(sys.argv[1]), sys.argv[2]).run()
