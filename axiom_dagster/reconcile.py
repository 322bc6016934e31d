"""Finds runs that Dagster believes alive and that are dead, trainers and rented jobs that nobody waits for; mends them.

Dagster's run launcher cannot see that a run's process was killed: the run stays started for ever. A run is dead when
the process that works on it has ended on this machine; what is on another machine, or may be, is left alone.
"""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from axiom_dagster.finding import Finding, Mended
from axiom_dagster.lost_retries import lost_retries
from axiom_dagster.remote_orphans import orphaned_jobs
from resources.home import axiom_home
from resources.manifest_store import INSTANCE_NAME_TAG, worker_of
from trainer.contract import RunDirectory, Stage, attempts
from trainer.contract.processes import PROCESS_TAG, has_ended, process_at

ALIVE = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
LAUNCHED_BY_TAG = ".dagster/grpc_info"
LOOPBACK = ("localhost", "127.0.0.1")
GRACE_SECONDS = 20.0


def reconcile(
    instance: dg.DagsterInstance, *, dry_run: bool = False, grace_seconds: float = GRACE_SECONDS
) -> list[Finding]:
    """All findings; mended, unless it is a dry run. An orphaned trainer is killed when the grace period is over."""
    findings: list[Finding] = []
    local = [*_orphaned_trainers(instance, axiom_home(), grace_seconds), *_dead_runs(instance)]
    for finding, mend in [*local, *lost_retries(instance), *orphaned_jobs(instance)]:
        findings.append(finding)
        if not dry_run:
            mend()
    return findings


def _dead_runs(instance: dg.DagsterInstance) -> Iterator[Mended]:
    for known in instance.get_runs(filters=dg.RunsFilter(statuses=ALIVE)):
        process = _process_of(instance, known)
        if process is None or not has_ended(process):
            continue
        # Asked again: a run that ended in order said so before its process ended, and after the list was made.
        run = instance.get_run_by_id(known.run_id)
        if run is None or run.status not in ALIVE:
            continue
        name = run.tags.get(INSTANCE_NAME_TAG, run.run_id)
        words = f"its process {process!r} has ended without a word"
        if run.status is dg.DagsterRunStatus.CANCELING:
            finding = Finding("dead run", name, run.run_id, process, "reported as cancelled")
            yield finding, lambda run=run, words=words: instance.report_run_canceled(run, words)
        else:
            finding = Finding("dead run", name, run.run_id, process, "reported as failed, so that Dagster retries it")
            yield finding, lambda run=run, words=words: instance.report_run_failed(run, words)


def _orphaned_trainers(instance: dg.DagsterInstance, home: Path, grace_seconds: float) -> Iterator[Mended]:
    for pid, stage, folder in _trainers(home / "runs"):
        running = process_at(pid, datetime.now(UTC))
        own = [attempt for attempt in attempts(folder, stage) if attempt.process == running]
        run_id = own[-1].run_id if own else None
        run = instance.get_run_by_id(run_id) if run_id else None
        if run is None or not (run.is_finished or _is_dead(instance, run)):
            continue
        process = own[-1].process
        finding = Finding("orphaned trainer", folder.instance_name, run_id, process, "told to stop, then killed")
        yield finding, lambda pid=pid, process=process: _end(pid, process, grace_seconds)


def _is_dead(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    process = _process_of(instance, run)
    return process is not None and has_ended(process)


def _process_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str | None:
    """The process that works on the run, before its first stage too; none if it is unknown."""
    if worker := worker_of(run):
        return worker
    launched_by = run.tags.get(LAUNCHED_BY_TAG)
    if launched_by is None:
        return run.tags.get(PROCESS_TAG)
    here = _is_this_machine(str(json.loads(launched_by).get("host")), instance)
    return _launched_process(instance, run.run_id) if here else None


def _is_this_machine(host: str, instance: dg.DagsterInstance) -> bool:
    """Whether the code server at `host` is here; every machine that shares a database has a `localhost` of its own."""
    # SQLAlchemy, which it brings along, would more than double the time in which the definitions load.
    from dagster._core.storage.runs import SqliteRunStorage

    return host == socket.gethostname() or (host in LOOPBACK and isinstance(instance.run_storage, SqliteRunStorage))


def _launched_process(instance: dg.DagsterInstance, run_id: str) -> str | None:
    """The process that Dagster's launcher says it started on this machine."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        metadata = entry.get_dagster_event().engine_event_data.metadata
        if "pid" in metadata:
            return process_at(int(str(metadata["pid"].value)), datetime.fromtimestamp(entry.timestamp, UTC))
    return None


def _trainers(runs: Path) -> Iterator[tuple[int, Stage, RunDirectory]]:
    """The trainers that work under `runs` on this machine: process number, stage, run directory."""
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            words = (folder / "cmdline").read_text().split("\0") if folder.name.isdigit() else []
            if "trainer" in words and "--run-dir" in words:
                run = Path(words[words.index("--run-dir") + 1])
                stage = words[words.index("trainer") + 1]
                if run.is_relative_to(runs) and stage in ("train", "evaluate"):
                    yield int(folder.name), stage, RunDirectory(run)


def _end(pid: int, process: str, grace_seconds: float) -> None:
    """Tell a trainer to stop; kill it and its workers if it has not within the grace period."""
    deadline = time.monotonic() + grace_seconds
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        while not has_ended(process) and time.monotonic() < deadline:
            time.sleep(0.1)
        if not has_ended(process):
            os.killpg(pid, signal.SIGKILL)
