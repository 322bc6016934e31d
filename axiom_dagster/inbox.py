"""The sensor `inbox`: a spec file dropped into the home's `inbox/` becomes a run; it never edits a spec."""

import json
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import dagster as dg

from assets.launchpad import run_config_of
from axiom_dagster.preflight import check_environments, check_sources
from resources.home import axiom_home
from trainer.contract import Refused, load_experiment_spec, write_text

ENDINGS = (".yaml", ".yml", ".json")
SETTLING_SECONDS = 1.0
RUN_KEY_TAG = "dagster/run_key"
INBOX = "inbox"


def inbox_sensor(job_name: str) -> dg.SensorDefinition:
    """The sensor that runs `job_name`.

    Running from the start: to drop a file is to ask for the run. A file goes to `launched/` on the tick after its run
    was created, so a tick that dies loses nothing, and its run key keeps the same file from running twice.
    """

    @dg.sensor(  # pyright: ignore[reportUnknownMemberType]
        name=INBOX,
        job_name=job_name,
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Runs each spec file (.yaml, .yml, .json) dropped into `inbox/`; a bad one goes to `refused/`.",
    )
    def inbox(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        folder = axiom_home() / "inbox"
        requests = [request for file in _settled_files(folder) if (request := _request(context, file))]
        yield from requests or [dg.SkipReason(f"no new spec file in {folder}")]

    return inbox


def _settled_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    files = [file for file in folder.iterdir() if file.suffix in ENDINGS and not file.name.startswith(".")]
    newest = time.time() - SETTLING_SECONDS
    return sorted(file for file in files if file.is_file() and file.stat().st_mtime < newest)


def _request(context: dg.SensorEvaluationContext, file: Path) -> dg.RunRequest | None:
    run_key = _run_key(file)
    if context.instance.get_runs(filters=dg.RunsFilter(tags={RUN_KEY_TAG: run_key}), limit=1):
        _move(file, "launched")
        return None
    try:
        spec = load_experiment_spec(file)
        check_environments(spec)
        check_sources(spec)
    except Refused as refused:
        context.log.warning(f"{file.name} is refused: {refused}")
        _refuse(file, str(refused))
        return None
    return dg.RunRequest(run_key=run_key, run_config=run_config_of(spec), tags={"axiom/inbox": file.name})


def _run_key(file: Path) -> str:
    # The time of writing is part of the key: the same file dropped again is a new wish.
    content = sha256(file.read_bytes()).hexdigest()[:16]
    return json.dumps([file.name, content, file.stat().st_mtime_ns])


def _refuse(file: Path, why: str) -> None:
    refused = file.parent / "refused"
    write_text(refused / f"{file.name}.error.txt", why + "\n")
    _move(file, "refused")


def _move(file: Path, folder: str) -> None:
    target = file.parent / folder / file.name
    target.parent.mkdir(exist_ok=True)
    file.replace(target)
