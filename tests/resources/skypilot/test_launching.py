"""One job for a stage, whatever happens to whoever launches it."""

import multiprocessing
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from resources.skypilot.job_record import JobFolder
from resources.skypilot.launching import IntendedJob, Launching, remove
from resources.skypilot.remote import JobState, Mode, RemoteJob, SkyPilotError
from tests.resources.skypilot.fake_skypilot import FakeSkyPilot
from trainer.contract import RunDirectory, Superseded


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder.of(RunDirectory(tmp_path / "runs" / "quick-1"), "train")


class Launcher:
    """Begins a try at the same stage, with a task that runs a script."""

    def __init__(self, sky: FakeSkyPilot, folder: JobFolder, tmp_path: Path) -> None:
        self.sky, self.folder, self.workdir = sky, folder, tmp_path / "workdir"
        self.workdir.mkdir(exist_ok=True)
        self.said: list[str] = []

    def launching(self, run_id: str = "first", sky: Any = None) -> Launching:
        return Launching(sky or self.sky, self.folder, self.folder.watch(run_id), self.said.append, settle_seconds=1.0)

    def plan(
        self, script: str = "sleep 60", run_id: str = "first", retry: int = 0, mode: Mode = "managed"
    ) -> IntendedJob:
        task = {"workdir": str(self.workdir), "file_mounts": {}, "setup": "true", "run": script, "envs": {}}
        task |= {"name": "axiom-quick-1-train", "resources": {}}
        cluster = "axiom-quick" if mode == "cluster" else None
        return IntendedJob("axiom-quick-1-train", mode, cluster, run_id, retry, lambda: (task, 2.0))

    def __call__(self, script: str = "sleep 60", run_id: str = "first", **options: Any) -> RemoteJob:
        return self.launching(run_id).adopt_or_launch(self.plan(script, run_id, **options))


@pytest.fixture
def launch(sky: FakeSkyPilot, folder: JobFolder, tmp_path: Path) -> Launcher:
    return Launcher(sky, folder, tmp_path)


class DiesInLaunch:
    """A SkyPilot whose asker dies while it launches; its request comes so many seconds later, or never (none)."""

    def __init__(self, sky: FakeSkyPilot, late_by: float | None) -> None:
        self.sky, self.late_by = sky, late_by

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sky, name)

    def launch(self, *words: Any) -> str:
        if self.late_by is not None:
            threading.Timer(self.late_by, self.sky.launch, words).start()
        raise KeyboardInterrupt


def test_the_record_says_what_is_intended_then_what_was_requested_then_the_job(
    launch: Launcher, folder: JobFolder
) -> None:
    job = launch()
    record = folder.read()
    assert record is not None
    assert (record.state, record.job, record.launches, record.run_id) == ("launched", job, 1, "first")
    assert (record.dollars_per_hour, record.request_id) == (2.0, "1")


@pytest.mark.parametrize("run_id", ["first", "retry"])
def test_a_job_that_runs_is_taken_up_again(launch: Launcher, sky: FakeSkyPilot, run_id: str) -> None:
    assert launch(run_id=run_id).job_id == launch().job_id
    assert sky.launches == 1


@pytest.mark.parametrize("late_by", [0.0, 0.3, None])
def test_after_a_death_in_mid_launch_the_job_is_launched_if_and_only_if_it_was_not(
    launch: Launcher, sky: FakeSkyPilot, folder: JobFolder, late_by: float | None
) -> None:
    sky.launch_seconds = 0.5
    with pytest.raises(KeyboardInterrupt):
        launch.launching(sky=DiesInLaunch(sky, late_by)).adopt_or_launch(launch.plan())
    record = folder.read()
    assert record is not None and record.state == "intended"
    launch(run_id="retry")
    assert sky.launches == 1


def test_a_request_that_is_known_is_waited_for(launch: Launcher, sky: FakeSkyPilot, folder: JobFolder) -> None:
    first = launch()
    record = folder.read()
    assert record is not None
    folder.write(record, state="requested", job=None)
    assert launch(run_id="retry").job_id == first.job_id
    assert sky.launches == 1


def test_a_lost_record_does_not_lose_the_job(launch: Launcher, sky: FakeSkyPilot, folder: JobFolder) -> None:
    first = launch()
    folder.record_file.unlink()
    assert launch(run_id="retry").job_id == first.job_id
    assert sky.launches == 1


def test_a_job_that_succeeded_is_not_run_again(launch: Launcher, sky: FakeSkyPilot) -> None:
    sky.wait_for(launch("true"))
    assert launch("true", run_id="retry").state is JobState.SUCCEEDED
    assert sky.launches == 1


def test_a_job_that_failed_is_run_again_by_a_new_try_only(
    launch: Launcher, sky: FakeSkyPilot, folder: JobFolder
) -> None:
    sky.wait_for(launch("exit 3"))
    assert launch("true").state is JobState.FAILED
    assert sky.launches == 1
    assert sky.wait_for(launch("true", retry=1)).state is JobState.SUCCEEDED
    record = folder.read()
    assert record is not None
    assert (sky.launches, record.launches) == (2, 2)


def test_a_launch_that_failed_says_why_leaves_no_cluster_and_may_be_tried_again(
    launch: Launcher, sky: FakeSkyPilot
) -> None:
    sky.refuses = "no capacity for 8x H100 in any region"
    with pytest.raises(SkyPilotError, match="no capacity for 8x H100 in any region"):
        launch(mode="cluster")
    assert not (sky.folder / "machines" / "axiom-quick").exists()
    sky.refuses = ""
    assert not launch(run_id="retry", mode="cluster").state.final


def test_a_cluster_with_other_work_survives_a_launch_that_failed(launch: Launcher, sky: FakeSkyPilot) -> None:
    task, _ = launch.plan("sleep 60").make_task()
    other = sky.launched(sky.launch(task, "axiom-other-train", "cluster", "axiom-quick"), "", "cluster")
    sky.refuses = "no capacity"
    with pytest.raises(SkyPilotError):
        launch(mode="cluster")
    assert not sky.status(other).state.final


def test_who_was_overtaken_while_waiting_for_its_turn_launches_nothing(
    launch: Launcher, sky: FakeSkyPilot, folder: JobFolder
) -> None:
    older = launch.launching("first")
    launch(run_id="second")
    with pytest.raises(Superseded):
        older.adopt_or_launch(launch.plan())
    assert sky.launches == 1


def begin(folder: Path, sky: Path, tmp_path: Path, number: int) -> None:
    launcher = Launcher(FakeSkyPilot(sky), JobFolder(folder, "train"), tmp_path)
    try:
        launcher(run_id=str(number))
    except Superseded:
        return


def test_many_who_begin_at_once_launch_once(launch: Launcher, sky: FakeSkyPilot, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    many = [spawn.Process(target=begin, args=(launch.folder.path, sky.folder, tmp_path, n)) for n in range(6)]
    for each in many:
        each.start()
    for each in many:
        each.join()
        assert each.exitcode == 0
    assert sky.launches == 1
    assert len(sky.jobs()) == 1


def test_removing_waits_for_a_launch_that_is_under_way_and_ends_when_the_job_has(
    launch: Launcher, sky: FakeSkyPilot, folder: JobFolder
) -> None:
    sky.launch_seconds = 0.7
    beginning = threading.Thread(target=launch)
    beginning.start()
    while not sky.pending(name="axiom-quick-1-train"):
        time.sleep(0.02)
    record = folder.read()
    assert record is not None
    remove(sky, record, poll_seconds=0.05, settle_seconds=1.0)
    assert [job.state for job in sky.jobs()] == [JobState.CANCELLED]
    assert sky.processes() == []
    beginning.join()


def test_removing_does_not_wait_for_machines_that_do_not_come_and_spares_a_cluster_that_others_wait_for(
    launch: Launcher, sky: FakeSkyPilot, folder: JobFolder
) -> None:
    sky.launch_seconds = 600.0
    failed: list[str] = []

    def begin() -> None:
        try:
            launch(mode="cluster")
        except SkyPilotError as error:
            failed.append(error.said)

    beginning = threading.Thread(target=begin)
    beginning.start()
    while not sky.pending(name="axiom-quick-1-train", cluster="axiom-quick"):
        time.sleep(0.02)
    record = folder.read()
    assert record is not None
    other = {"workdir": str(launch.workdir), "file_mounts": {}, "setup": "true", "run": "true", "envs": {}}
    sky.launch(other, "axiom-other-train", "cluster", "axiom-quick")
    removing = threading.Thread(target=remove, args=(sky, record, 0.05, 0.1, 0.2))
    removing.start()
    removing.join(1.0)
    assert removing.is_alive() and len(sky.pending(cluster="axiom-quick")) == 2

    (pending,) = sky.pending(name="axiom-other-train")
    (sky.folder / "requests" / pending / "withdrawn").touch()
    removing.join(20)
    beginning.join(20)
    assert failed == ["the cluster was removed"]
    assert not removing.is_alive() and list(sky.pending(cluster="axiom-quick")) == [] and sky.processes() == []


class Recording:
    """A SkyPilot that notes what it is asked."""

    def __init__(self, sky: FakeSkyPilot) -> None:
        self.sky, self.asked = sky, list[str]()

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        return getattr(self.sky, name)


def test_a_job_that_is_known_is_cancelled_before_anything_is_asked(
    launch: Launcher, sky: FakeSkyPilot, folder: JobFolder
) -> None:
    launch()
    record, recording = folder.read(), Recording(sky)
    assert record is not None and record.job is not None
    remove(recording, record, poll_seconds=0.05)  # type: ignore[arg-type]
    assert recording.asked[0] == "cancel"
    assert [job.state for job in sky.jobs()] == [JobState.CANCELLED]


def test_a_job_that_runs_before_anybody_was_told_of_it_is_cancelled_before_launches_are_asked_about(
    launch: Launcher, sky: FakeSkyPilot, folder: JobFolder
) -> None:
    launch()
    record, recording = folder.read(), Recording(sky)
    assert record is not None
    untold = folder.write(record, state="requested", job=None)
    remove(recording, untold, poll_seconds=0.05)  # type: ignore[arg-type]
    assert recording.asked[:2] == ["find", "cancel"]
    assert [job.state for job in sky.jobs()] == [JobState.CANCELLED]
