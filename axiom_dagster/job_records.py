"""What this home's run directories know of rented jobs; it asks nobody and changes nothing."""

from collections.abc import Iterator
from pathlib import Path

from resources.home import axiom_home
from resources.skypilot.job_record import JobFolder, JobRecord
from resources.skypilot.task import REMOTE_STAGES
from trainer.contract import RunDirectory


def job_records(home: Path | None = None) -> Iterator[tuple[JobFolder, JobRecord, str]]:
    """The record of every job: its folder, itself, the instance name of its run."""
    runs = (home or axiom_home()) / "runs"
    for stage in REMOTE_STAGES:
        for file in sorted(runs.glob(f"*/{stage}/skypilot/job.json")):
            run = RunDirectory(file.parents[2])
            folder = JobFolder.of(run, stage)
            record = folder.read()
            if record is not None:
                yield folder, record, run.instance_name
