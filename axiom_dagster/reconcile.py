"""Finds runs that Dagster believes alive and that are dead, and trainers that nobody waits for; mends both if told to.

Dagster's run launcher cannot see that a run's process was killed: the run stays started for ever. A run is dead when
the process that works on it has ended on this machine; what is on another machine is left alone.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import dagster as dg

from resources.home import axiom_home
from resources.manifest_store import worker_of
from trainer.contract import RunDirectory, Stage, attempts
from trainer.contract.processes import has_ended

ALIVE = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
GRACE_SECONDS = 20.0


@dataclass(frozen=True)
class Finding:
    """One thing that is not as Dagster believes, and what is (or would be) done about it."""

    kind: Literal["dead run", "orphaned trainer"]
    instance_name: str
    run_id: str | None
    process: str
    remedy: str

    def plain(self) -> dict[str, Any]:
        """The same data as JSON types."""
        return asdict(self)


def reconcile(
    instance: dg.DagsterInstance, *, dry_run: bool = False, grace_seconds: float = GRACE_SECONDS
) -> list[Finding]:
    """All findings; mended, unless it is a dry run. An orphaned trainer is killed when the grace period is over."""
    findings: list[Finding] = []
    for finding, mend in [*_orphaned_trainers(instance, axiom_home(), grace_seconds), *_dead_runs(instance)]:
        findings.append(finding)
        if not dry_run:
            mend()
    return findings


Mended = tuple[Finding, Callable[[], object]]


def _dead_runs(instance: dg.DagsterInstance) -> Iterator[Mended]:
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=ALIVE)):
        process = worker_of(run)
        if process is None or not has_ended(process):
            continue
        name = run.tags.get("axiom/instance_name", run.run_id)
        words = f"its process {process!r} has ended without a word"
        if run.status is dg.DagsterRunStatus.CANCELING:
            finding = Finding("dead run", name, run.run_id, process, "reported as cancelled")
            yield finding, lambda run=run, words=words: instance.report_run_canceled(run, words)
        else:
            finding = Finding("dead run", name, run.run_id, process, "reported as failed, so that Dagster retries it")
            yield finding, lambda run=run, words=words: instance.report_run_failed(run, words)


def _orphaned_trainers(instance: dg.DagsterInstance, home: Path, grace_seconds: float) -> Iterator[Mended]:
    for pid, stage, folder in _trainers(home / "runs"):
        own = [attempt for attempt in attempts(folder, stage) if attempt.process.split()[1] == str(pid)]
        run_id = own[-1].run_id if own else None
        run = instance.get_run_by_id(run_id) if run_id else None
        if run is None or not (run.is_finished or _is_dead(run)):
            continue
        process = own[-1].process
        finding = Finding("orphaned trainer", folder.instance_name, run_id, process, "told to stop, then killed")
        yield finding, lambda pid=pid, process=process: _end(pid, process, grace_seconds)


def _is_dead(run: dg.DagsterRun) -> bool:
    worker = worker_of(run)
    return worker is not None and has_ended(worker)


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
