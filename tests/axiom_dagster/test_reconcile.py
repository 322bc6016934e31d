"""Runs that died without a word, and trainers that nobody waits for, on a real instance with real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from axiom_dagster.reconcile import reconcile
from resources.home import dagster_instance
from resources.local_compute import PARENT_VARIABLE
from resources.manifest_store import INSTANCE_NAME_TAG, worker_of, worker_tag
from trainer.contract import RunDirectory, attempts, begin_run, create_experiment
from trainer.contract.attempts import Attempt, attempts_file
from trainer.contract.processes import PROCESS_TAG, has_ended, process_at, this_process

DEAD = f"{this_process().split()[0]} 999999999 1"


@pytest.fixture
def instance(tmp_path, monkeypatch):
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path))
    with dagster_instance() as instance:
        yield instance


@dg.op
def nothing() -> None:
    """Nothing."""


@dg.job
def idle() -> None:
    """A job to make runs of."""
    nothing()


def started_run(instance, worker: str | None, status=dg.DagsterRunStatus.STARTED) -> str:
    """A run that Dagster believes alive, with the tag of the process that works on it."""
    run = instance.create_run_for_job(idle, status=status, tags={INSTANCE_NAME_TAG: "killed-1"})
    if worker is not None:
        instance.add_run_tags(run.run_id, {"axiom/worker": f"{run.run_id} {worker}"})
    return run.run_id


def status_of(instance, run_id: str) -> dg.DagsterRunStatus:
    return instance.get_run_by_id(run_id).status


@pytest.mark.parametrize(
    ("status", "mended"),
    [
        (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE),
        (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED),
    ],
)
def test_a_run_whose_process_has_ended_is_found_and_mended(instance, status, mended):
    run_id = started_run(instance, DEAD, status)
    (found,) = reconcile(instance, dry_run=True)
    assert (found.kind, found.instance_name, found.run_id, found.process) == ("dead run", "killed-1", run_id, DEAD)
    assert status_of(instance, run_id) == status
    assert reconcile(instance) == [found]
    assert status_of(instance, run_id) == mended
    assert reconcile(instance) == []


def test_a_run_that_lives_is_on_another_machine_or_has_not_begun_is_left_alone(instance):
    alive = [this_process(), DEAD.replace(DEAD.split(maxsplit=1)[0], "elsewhere"), None]
    runs = [started_run(instance, worker) for worker in alive]
    assert reconcile(instance) == []
    assert {status_of(instance, run_id) for run_id in runs} == {dg.DagsterRunStatus.STARTED}


def test_a_retry_is_not_taken_for_dead_by_the_tag_that_it_got_from_the_run_before(instance):
    first = started_run(instance, DEAD)
    run = instance.create_run_for_job(
        idle, status=dg.DagsterRunStatus.STARTED, tags={"axiom/worker": f"{first} {DEAD}"}
    )
    assert worker_of(run) is None
    assert [finding.run_id for finding in reconcile(instance, dry_run=True)] == [first]
    assert worker_tag(run.run_id) == {"axiom/worker": f"{run.run_id} {this_process()}"}


def launched_run(instance, pid: int, host: str = "localhost", status=dg.DagsterRunStatus.STARTED) -> str:
    """A run without a stage as yet, of which Dagster's launcher has told the process."""
    grpc = json.dumps({"host": host, "port": 4266})
    run = instance.create_run_for_job(idle, status=status, tags={".dagster/grpc_info": grpc})
    instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))
    return run.run_id


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_a_run_whose_process_ended_before_its_first_stage_is_found_too(instance, status):
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    dead = launched_run(instance, ended.pid, status=status)
    launched_run(instance, os.getpid(), status=status)
    launched_run(instance, ended.pid, host="elsewhere", status=status)
    assert [finding.run_id for finding in reconcile(instance)] == [dead]
    assert status_of(instance, dead) == dg.DagsterRunStatus.FAILURE


def test_a_process_that_got_the_number_of_a_dead_one_is_not_taken_for_it(instance):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert not has_ended(process_at(os.getpid(), datetime.now(UTC)))
    assert process_at(os.getpid(), datetime.now(UTC)) == this_process()
    assert has_ended(process_at(os.getpid(), yesterday))


def test_a_run_in_this_process_that_died_before_its_first_stage_is_found(instance):
    tags = {PROCESS_TAG: DEAD}
    run = instance.create_run_for_job(idle, status=dg.DagsterRunStatus.STARTED, tags=tags)
    assert [finding.run_id for finding in reconcile(instance)] == [run.run_id]


class EndsMeanwhile:
    """An instance on which every run ends well after it was listed and before it is looked at."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def get_runs(self, filters):
        runs = self.instance.get_runs(filters=filters)
        for run in runs:
            self.instance.report_dagster_event(
                dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name), run.run_id
            )
        return runs

    def __getattr__(self, name):
        return getattr(self.instance, name)


def test_a_run_that_ends_well_while_it_is_examined_is_not_reported_as_failed(instance):
    run_id = started_run(instance, DEAD)
    assert reconcile(EndsMeanwhile(instance)) == []
    assert status_of(instance, run_id) == dg.DagsterRunStatus.SUCCESS


def endless(home: Path, name: str) -> RunDirectory:
    env = {"curriculum": {"env": {"id": "CartPole-v1"}}, "num_envs": 4}
    sizes = {"total_timesteps": 10**9, "batch_size": 256, "minibatch_size": 256}
    spec = create_experiment(name=name, wandb={"mode": "disabled"}, trainer=env | sizes)
    run = RunDirectory(home / "runs" / name)
    begin_run(spec, run)
    return run


def wait_for(condition, seconds: float = 30.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_trainer_that_nobody_waits_for_is_ended(instance, tmp_path, stubborn):
    run_id = started_run(instance, None)
    run = endless(tmp_path, "orphaned")
    code = (
        "import sys; from trainer.contract import *; from trainer.entry import run_stage; "
        "from trainer.reporters import reporter_for; from pathlib import Path; import signal; "
        f"signal.signal(signal.SIGTERM, signal.SIG_IGN) if {stubborn} else None; "
        f"run_stage('train', RunDirectory(Path({str(run.path)!r})), reporter_for(None).__enter__(), run_id={run_id!r})"
    )
    words = [sys.executable, "-c", code, "trainer", "train", "--run-dir", str(run.path)]
    with subprocess.Popen(words, start_new_session=True, stdout=subprocess.DEVNULL) as process:
        try:
            (attempt,) = wait_for(lambda: attempts(run, "train"))
            assert reconcile(instance) == [], "its run lives"
            instance.report_run_failed(instance.get_run_by_id(run_id))
            (found,) = reconcile(instance, dry_run=True)
            assert (found.kind, found.run_id, found.process) == ("orphaned trainer", run_id, attempt.process)
            assert process.poll() is None
            reconcile(instance, grace_seconds=0.5)
            assert process.wait(timeout=30) == (-signal.SIGKILL if stubborn else -signal.SIGTERM)
            assert reconcile(instance) == []
        finally:
            process.kill()


def test_a_trainer_is_not_ended_for_another_machines_attempt_with_its_number(instance, tmp_path):
    alive, failed = started_run(instance, None), started_run(instance, None)
    instance.report_run_failed(instance.get_run_by_id(failed))
    run = endless(tmp_path, "moved-here")
    words = [sys.executable, "-c", "import time; time.sleep(60)", "trainer", "train", "--run-dir", str(run.path)]
    with subprocess.Popen(words) as process:
        try:
            own = process_at(process.pid, datetime.now(UTC))
            theirs = f"elsewhere {own.partition(' ')[2]}"
            for number, (worker, run_id) in enumerate([(own, alive), (theirs, failed)], start=1):
                attempt = Attempt(
                    number=number, stage="train", process=worker, run_id=run_id, started_at=datetime.now(UTC)
                )
                attempts_file(run, "train").parent.mkdir(parents=True, exist_ok=True)
                with attempts_file(run, "train").open("a") as lines:
                    lines.write(json.dumps(attempt.plain()) + "\n")
            assert len(attempts(run, "train")) == 2
            assert reconcile(instance, dry_run=True) == []
        finally:
            process.kill()


def test_a_trainer_ends_when_the_process_that_waits_for_it_is_killed(tmp_path):
    run = endless(tmp_path, "waited-for")
    code = (
        "import os, subprocess, sys; "
        f"env = os.environ | {{{PARENT_VARIABLE!r}: str(os.getpid())}}; "
        f"subprocess.run([sys.executable, '-m', 'trainer', 'train', '--run-dir', {str(run.path)!r}], env=env, "
        "stdout=subprocess.DEVNULL)"
    )
    with subprocess.Popen([sys.executable, "-c", code], start_new_session=True) as parent:
        wait_for(lambda: run.metrics_file.exists() and run.metrics_file.read_text())
        (attempt,) = attempts(run, "train")
        parent.kill()
        wait_for(lambda: has_ended(attempt.process))
    assert '"status": "cancelled"' in run.manifest_file("train").read_text()


def test_a_trainer_whose_parent_has_gone_before_it_began_does_not_begin(tmp_path):
    run = endless(tmp_path, "too-late")
    done = subprocess.run(
        [sys.executable, "-m", "trainer", "train", "--run-dir", str(run.path)],
        env=os.environ | {PARENT_VARIABLE: "1"},
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGTERM
    assert attempts(run, "train") == []
