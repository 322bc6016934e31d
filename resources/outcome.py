"""What a trainer process that has ended amounts to: its manifest or a failure that says why; it never runs anything."""

from pathlib import Path

import dagster as dg

from resources.refusing import refusals_fail_the_step
from trainer.contract import Manifest, Refused, RunDirectory, Stage, read_manifest

REFUSED = 2
TERMINATED = 143
TAIL_LINES = 30
TAIL_BYTES = 8192


def manifest_of_ended_process(code: int, run: RunDirectory, stage: Stage, console: Path) -> Manifest:
    """The manifest of a stage whose process ended with `code`; raises `dg.Failure` with the trainer's own words."""
    if code != 0:
        raise _failure(code, run, stage, console)
    with refusals_fail_the_step():
        manifest = read_manifest(run.manifest_file(stage))
    if (manifest.stage, manifest.instance_name, manifest.status) != (stage, run.instance_name, "succeeded"):
        raise dg.Failure(
            f"the trainer exited with 0, but its manifest is of {manifest.stage} of {manifest.instance_name} and says "
            f"{manifest.status}; expected {stage} of {run.instance_name}, succeeded",
            metadata=_metadata(console),
        )
    return manifest


def console_tail(console: Path) -> str:
    """The last lines that a process printed."""
    with console.open("rb") as file:
        file.seek(max(0, console.stat().st_size - TAIL_BYTES))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-TAIL_LINES:]).strip()


def _failure(code: int, run: RunDirectory, stage: Stage, console: Path) -> dg.Failure:
    tail = console_tail(console)
    if code == REFUSED:
        text = f"the trainer refused its input:\n{tail}"
    elif code == TERMINATED or code < 0:
        text = f"{stage} of {run.instance_name} was ended from outside (code {code}).\n{tail}"
    else:
        text = f"{stage} of {run.instance_name} failed with code {code}: {_recorded_error(run, stage)}\n{tail}"
    return dg.Failure(text, metadata=_metadata(console), allow_retries=code != REFUSED)


def _recorded_error(run: RunDirectory, stage: Stage) -> str:
    try:
        return read_manifest(run.manifest_file(stage)).error or "no error recorded"
    except Refused:
        return "no manifest was written"


def _metadata(console: Path) -> dict[str, dg.MetadataValue]:
    return {
        "console": dg.PathMetadataValue(console),
        "console_tail": dg.MetadataValue.md(f"```\n{console_tail(console)}\n```"),
    }
