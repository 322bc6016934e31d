"""Jobs by id and by name, as rows, and their logs: what people and analysis ask of SkyPilot."""

import time
from pathlib import Path

import pytest

from resources.skypilot.remote import JobState, RemoteJob, SkyPilotError
from resources.skypilot.service import SkyPilotService, get_skypilot_service
from resources.skypilot.task import instance_name_of
from tests.resources.skypilot.fake_skypilot import FakeSkyPilot
from trainer.contract import Refused
from trainer.contract.frames import Frames


@pytest.fixture
def service(sky: FakeSkyPilot) -> SkyPilotService:
    return get_skypilot_service(sky)


def task(folder: Path, name: str, script: str = "true") -> dict[str, object]:
    (folder / "workdir").mkdir(exist_ok=True)
    files = {"workdir": str(folder / "workdir"), "file_mounts": {}}
    return {"name": name, "resources": {}, "envs": {}, "setup": "true", "run": script, **files}


def ended(service: SkyPilotService, sky: FakeSkyPilot, folder: Path, name: str, script: str = "true") -> RemoteJob:
    return sky.wait_for(service.launch(task(folder, name, script)))


def test_a_job_is_found_by_its_name_its_runs_name_and_its_id(service: SkyPilotService, sky, tmp_path: Path) -> None:
    job = ended(service, sky, tmp_path, "axiom-quick-1-train")
    other = ended(service, sky, tmp_path, "axiom-quick-2-train", "exit 3")
    for name in (job.name, "quick-1", job.job_id, str(job.job_id)):
        assert service.job(name) == job
        assert service.get_job_status(name) is JobState.SUCCEEDED
        assert service.get_wandb_run_name_from_sky_job(name) == "quick-1"
    assert service.get_job_status(other.name) is JobState.FAILED


def test_an_unknown_job_is_refused_with_the_nearest_name(service: SkyPilotService, sky, tmp_path: Path) -> None:
    ended(service, sky, tmp_path, "axiom-quick-1-train")
    with pytest.raises(Refused, match="did you mean 'axiom-quick-1-train'"):
        service.job("axiom-quick-1-tran")


def test_an_id_that_several_jobs_have_is_refused_with_their_names() -> None:
    class TwoClusters:
        def jobs(self) -> list[RemoteJob]:
            names = ("axiom-a-train", "axiom-b-train")
            return [RemoteJob(job_id=1, name=name, mode="cluster", state=JobState.RUNNING) for name in names]

    with pytest.raises(Refused, match="several jobs; give the name of one: axiom-a-train, axiom-b-train"):
        SkyPilotService(TwoClusters()).job(1)  # type: ignore[arg-type]


def test_the_name_of_a_run_is_told_by_the_jobs_name_alone(service: SkyPilotService) -> None:
    assert service.get_wandb_run_name_from_sky_job("axiom-quick-20260101-000000-abcdef-train") == (
        "quick-20260101-000000-abcdef"
    )
    assert instance_name_of("axiom-train-train") == "train"
    assert instance_name_of("axiom-x-train-train") == "x-train"


def test_launching_a_name_twice_leads_to_one_job(service: SkyPilotService, sky, tmp_path: Path) -> None:
    first = service.launch(task(tmp_path, "axiom-quick-1-train", "sleep 60"))
    assert service.launch(task(tmp_path, "axiom-quick-1-train")).job_id == first.job_id
    assert sky.launches == 1
    with pytest.raises(Refused, match="begins with 'axiom-'"):
        service.launch(task(tmp_path, "mine"))


def test_a_cancelled_job_ends_and_one_that_has_ended_stays_as_it_is(service, sky, tmp_path: Path) -> None:
    job = service.launch(task(tmp_path, "axiom-quick-1-train", "sleep 60"))
    service.cancel("quick-1")
    assert sky.wait_for(job).state is JobState.CANCELLED
    assert service.cancel("quick-1").state is JobState.CANCELLED


def test_jobs_are_listed_as_rows_and_as_a_table(service: SkyPilotService, sky, tmp_path: Path) -> None:
    assert len(service.list_jobs()) == 0
    job = ended(service, sky, tmp_path, "axiom-quick-1-train")
    ended(service, sky, tmp_path, "axiom-other-1-train")
    newest, row = service.list_jobs()
    assert newest.instance_name == "other-1"
    assert (row.job_id, row.name, row.state, row.started_at) == (job.job_id, job.name, "succeeded", job.started_at)
    assert row.plain()["started_at"] == job.started_at.isoformat() if job.started_at else False
    head, first, second = service.list_jobs().table().splitlines()
    assert head.split()[:4] == ["job_id", "name", "mode", "state"]
    assert (first.split()[1], second.split()[1]) == ("axiom-other-1-train", "axiom-quick-1-train")
    assert first.index("managed") == head.index("mode")


def test_previous_jobs_are_those_that_have_ended(service: SkyPilotService, sky, tmp_path: Path) -> None:
    ended(service, sky, tmp_path, "axiom-quick-1-train", "exit 1")
    ended(service, sky, tmp_path, "axiom-other-1-train")
    service.launch(task(tmp_path, "axiom-quick-2-train", "sleep 60"))
    assert service.previous_job_ids() == ("axiom-other-1-train", "axiom-quick-1-train")
    assert service.previous_job_ids("quick") == ("axiom-quick-1-train",)


def test_a_log_is_shown_without_frames_but_with_what_they_say(service, sky, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MY_SECRET_TOKEN", "hunter2-hunter2")
    message = {"method": "log", "params": {"message": "update 3 of 9", "level": "INFO"}}
    frames = "\n".join(f"echo '{line}'" for line in Frames().write(message))
    script = f"echo begin hunter2-hunter2\n{frames}\necho '<sky-payload>{{}}</sky-payload>'\necho end"
    ended(service, sky, tmp_path, "axiom-quick-1-train", script)
    assert list(service.logs("quick-1")) == ["begin [secret]", "update 3 of 9", "end"]


def test_a_log_that_goes_on_ends_when_only_what_there_is_was_asked_for(service, tmp_path: Path) -> None:
    service.launch(task(tmp_path, "axiom-quick-1-train", "echo begin; sleep 60; echo end"))
    began = time.monotonic()
    assert list(service.logs("quick-1", follow=False)) == ["begin"]
    assert time.monotonic() - began < 30


def test_a_log_that_cannot_be_read_is_an_error_of_skypilot(service, sky, tmp_path: Path) -> None:
    job = ended(service, sky, tmp_path, "axiom-quick-1-train")
    request = sky.log_request(job)

    class NobodyThere:
        def jobs(self) -> list[RemoteJob]:
            return [job]

        def log_request(self, _: RemoteJob) -> object:
            return request.model_copy(update={"url": "http://127.0.0.1:9/logs"})

    with pytest.raises(SkyPilotError, match="reading a job's log"):
        list(SkyPilotService(NobodyThere()).logs("quick-1"))  # type: ignore[arg-type]
