"""`SkyPilot` over the real SDK, each question in a child process of its own; it never imports sky."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resources.skypilot.remote import LogRequest, Mode, Offer, RemoteJob, SkyPilotError
from resources.skypilot.sdk import PARENT_VARIABLE
from resources.skypilot.sdk_errors import remedy_for
from trainer.contract import redacted

# A launch uploads the working tree; a status that wakes a sleeping controller, and a teardown, wait for machines.
TIMEOUTS_SECONDS: Mapping[str, float] = {"launch": 900, "down": 900, "find": 600, "status": 600, "fetch": 3700}
OTHERWISE_SECONDS = 180.0
_FORGOTTEN = "no such request"
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", _FORGOTTEN)


class SdkSkyPilot:
    """Implements `SkyPilot`. Safe to use from many threads: it keeps nothing.

    `environment` is added to this process's own for the children; `launch_seconds` bounds the wait for machines,
    `timeouts_seconds` the answer to each verb.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        launch_seconds: float = 6 * 3600,
        look_every_seconds: float = 2.0,
        timeouts_seconds: Mapping[str, float] = TIMEOUTS_SECONDS,
        python: str = sys.executable,
    ) -> None:
        self.environment = dict(environment or {})
        self._launch_seconds, self._look_every_seconds = launch_seconds, look_every_seconds
        self._timeouts_seconds, self._python = timeouts_seconds, python

    def launch(self, task: Mapping[str, Any], name: str, mode: Mode, cluster: str | None = None) -> str:
        """See `SkyPilot`."""
        return self._ask("launch", task=dict(task), name=name, mode=mode, cluster=cluster)

    def launched(self, request_id: str, name: str, mode: Mode, cluster: str | None = None) -> RemoteJob:
        """See `SkyPilot`; the wait itself is a plain HTTP question every few seconds."""
        self._wait_for(request_id)
        answer = self._ask("launched", request_id=request_id, name=name, mode=mode, cluster=cluster)
        return RemoteJob.model_validate(answer)

    def pending(self, *, name: str | None = None, cluster: str | None = None) -> Sequence[str]:
        """See `SkyPilot`."""
        return self._ask("pending", name=name, cluster=cluster)

    def find(self, name: str, mode: Mode, cluster: str | None = None) -> Sequence[RemoteJob]:
        """See `SkyPilot`."""
        return _jobs(self._ask("find", name=name, mode=mode, cluster=cluster))

    def jobs(self) -> Sequence[RemoteJob]:
        """See `SkyPilot`."""
        return _jobs(self._ask("jobs"))

    def status(self, job: RemoteJob) -> RemoteJob:
        """See `SkyPilot`."""
        return RemoteJob.model_validate(self._ask("status", job=_plain(job)))

    def cancel(self, job: RemoteJob) -> None:
        """See `SkyPilot`."""
        self._ask("cancel", job=_plain(job))

    def down(self, cluster: str) -> None:
        """See `SkyPilot`."""
        self._ask("down", cluster=cluster)

    def log_request(self, job: RemoteJob) -> LogRequest:
        """See `SkyPilot`."""
        return LogRequest.model_validate(self._ask("log_request", job=_plain(job)))

    def offers(self, task: Mapping[str, Any]) -> Sequence[Offer]:
        """See `SkyPilot`."""
        return [Offer.model_validate(offer) for offer in self._ask("offers", task=dict(task))]

    def enabled_infra(self) -> Sequence[str]:
        """See `SkyPilot`."""
        return self._ask("enabled_infra")

    def fetch(self, job: RemoteJob, remote: str, local: Path) -> None:
        """See `SkyPilot`."""
        self._ask("fetch", job=_plain(job), remote=remote, local=str(local))

    def _wait_for(self, request_id: str) -> None:
        """Until the API server says that the request has ended; a server that does not answer is asked again."""
        look = LogRequest.model_validate(self._ask("launch_request", request_id=request_id))
        end, said = time.monotonic() + self._launch_seconds, "nothing yet"
        while said not in _ENDED:
            if time.monotonic() > end:
                text = f"the request {request_id} has not ended ({said}) within {self._launch_seconds:.0f} s"
                raise SkyPilotError("launch", text, remedy_for("ResourcesUnavailableError", text))
            said = _state_of(look)
            if said not in _ENDED:
                time.sleep(self._look_every_seconds)

    def _ask(self, verb: str, **arguments: Any) -> Any:
        seconds = self._timeouts_seconds.get(verb, OTHERWISE_SECONDS)
        process = subprocess.Popen(
            [self._python, "-P", "-m", "resources.skypilot.sdk", verb],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.environment, PARENT_VARIABLE: str(os.getpid())},
            start_new_session=True,
        )
        try:
            out, err = process.communicate(json.dumps(arguments), timeout=seconds)
        except BaseException as error:
            _end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise _failed(verb, "TimeoutExpired", f"nothing for {seconds:.0f} s") from None
            raise
        return _result(verb, out, err, process.returncode)


def _result(verb: str, out: str, err: str, code: int) -> Any:
    lines = out.strip().splitlines()
    if not lines:
        last = redacted("\n".join(err.strip().splitlines()[-5:]))
        raise _failed(verb, "", f"the process that asks it ended with {code} and without an answer:\n{last}")
    answer = json.loads(lines[-1])
    if "error" in answer:
        raise _failed(verb, answer["error"]["kind"], answer["error"]["said"])
    return answer["ok"]


def _failed(verb: str, kind: str, said: str) -> SkyPilotError:
    return SkyPilotError(verb, said, remedy_for(kind, said))


def _end(process: "subprocess.Popen[str]") -> None:
    """The child with its own children (rsync); what it asked of the API server goes on there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _state_of(look: LogRequest) -> str:
    """A launch request's state in SkyPilot's words, or that the server has none of this id, or does not answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(look.url, headers=look.headers), timeout=30) as response:
            requests = json.load(response)
    except (urllib.error.URLError, OSError, ValueError):
        return "the API server does not answer"
    return str(requests[0]["status"]) if requests else _FORGOTTEN


def _jobs(answer: Sequence[Any]) -> list[RemoteJob]:
    return [RemoteJob.model_validate(job) for job in answer]


def _plain(job: RemoteJob) -> dict[str, Any]:
    return job.model_dump(mode="json")
