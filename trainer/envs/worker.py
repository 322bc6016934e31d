"""Runs a group of environments in a process of its own, on shared memory; observations never pass through a pipe."""

import multiprocessing
import signal
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from trainer.contract.environment import EnvConfig
from trainer.envs.arrays import StepArrays
from trainer.envs.group import EnvGroup
from trainer.envs.interface import EpisodeEnd, Spaces
from trainer.envs.requests import Request
from trainer.stopping import Cancelled

_EXIT_SECONDS = 5


class EnvsFailed(RuntimeError):
    """A worker raised or died: says which environments it had, and its traceback."""


@dataclass(frozen=True)
class _Failure:
    trace: str


@dataclass(frozen=True)
class WorkerPlan:
    """What a worker needs to know; picklable for a spawned process (`memory` only while it is being spawned)."""

    config: EnvConfig
    spaces: Spaces
    memory: Any
    num_slots: int
    envs: range
    replays: Mapping[int, Path]

    def make_group(self) -> EnvGroup:
        """The environments themselves, on their rows of the shared memory."""
        agents = self.spaces.num_agents
        arrays = StepArrays.over(self.memory, self.spaces, self.num_slots)
        rows = arrays.rows(self.envs.start * agents, self.envs.stop * agents)
        return EnvGroup(self.config, rows, self.envs, self.replays)


class Worker:
    """The parent's end: send a request, then receive its answer; a dead worker is an error, never a hang."""

    def __init__(self, plan: WorkerPlan) -> None:
        self._envs = plan.envs
        # A spawned process inherits no other worker's pipe: however the parent dies, each worker sees its own pipe end.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        name = f"envs-{plan.envs.start}-{plan.envs.stop - 1}"
        self._process = context.Process(target=serve, args=(theirs, plan), name=name, daemon=True)
        self._process.start()
        theirs.close()

    def send(self, request: Request) -> None:
        """Ask; `receive` has the answer."""
        try:
            self._connection.send(request)
        except OSError:
            self._raise_failure(None)

    def receive(self) -> list[EpisodeEnd]:
        """Wait for the answer: the episodes that ended by the request."""
        try:
            answer: list[EpisodeEnd] | _Failure | None = self._connection.recv()
        except (EOFError, OSError):
            answer = None
        if answer is None or isinstance(answer, _Failure):
            self._raise_failure(answer)
        return answer

    def _raise_failure(self, answer: _Failure | None) -> NoReturn:
        self._process.join(_EXIT_SECONDS)
        if answer is None and self._process.exitcode == -signal.SIGTERM:
            # A SIGTERM for the whole job reaches its workers too, and this process, which may have put it off.
            raise Cancelled
        which = f"environments {self._envs.start} to {self._envs.stop - 1}"
        if answer is not None:
            raise EnvsFailed(f"the worker of {which} failed:\n{answer.trace}")
        code = self._process.exitcode
        raise EnvsFailed(f"the worker of {which} died without a word (exit code {code}); a negative code is a signal")

    def close(self) -> None:
        """Close the pipe, which ends the worker; one that does not follow is killed. Safe to call twice."""
        self._connection.close()
        self._process.join(_EXIT_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def serve(connection: Connection, plan: WorkerPlan) -> None:
    """A worker's whole life: make the environments, then answer requests until the parent's end of the pipe closes."""
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        group = plan.make_group()
        answer: list[EpisodeEnd] | _Failure = []
    except Exception:
        group, answer = None, _Failure(traceback.format_exc())
    while _deliver(connection, answer) and group is not None and not isinstance(answer, _Failure):
        try:
            request: Request = connection.recv()
        except (EOFError, OSError):
            break
        answer = _perform(group, request)
    if group is not None:
        group.close()


def _perform(group: EnvGroup, request: Request) -> list[EpisodeEnd] | _Failure:
    try:
        return request.perform(group)
    except Exception:
        return _Failure(traceback.format_exc())


def _deliver(connection: Connection, answer: list[EpisodeEnd] | _Failure) -> bool:
    try:
        connection.send(answer)
    except OSError:
        return False
    return True
