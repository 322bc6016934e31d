"""What a trainer process that has ended amounts to: its manifest or a failure that says why; it never runs anything."""

import signal
from pathlib import Path

import dagster as dg

from resources.refusing import refusals_fail_the_step
from trainer.contract import Manifest, Refused, RunDirectory, Stage, read_manifest
from trainer.contract.checkpoints import saved_checkpoints
from trainer.contract.exit_codes import REFUSED, STOPPED, TERMINATED

TAIL_LINES = 30
TAIL_BYTES = 8192


def manifest_of_ended_process(code: int, run: RunDirectory, stage: Stage, console: Path) -> Manifest:
    """The manifest of a stage whose process ended with `code`; raises `dg.Failure` with the trainer's own words."""
    if code != 0:
        raise _failure(code, run, stage, console)
    return manifest_left(run, stage, console)


def manifest_left(run: RunDirectory, stage: Stage, console: Path) -> Manifest:
    """The manifest of a stage whose process ended well; raises `dg.Failure` where it is missing or another's."""
    with refusals_fail_the_step():
        manifest = read_manifest(run.manifest_file(stage))
    if (manifest.stage, manifest.instance_name, manifest.status) != (stage, run.instance_name, "succeeded"):
        raise dg.Failure(
            f"the trainer exited with 0, but its manifest is of {manifest.stage} of {manifest.instance_name} and says "
            f"{manifest.status}; expected {stage} of {run.instance_name}, succeeded",
            metadata=_metadata(console),
        )
    return manifest


def ended_from_outside(code: int) -> bool:
    """Whether a process that ended with `code` was told to stop or killed, by whoever did it."""
    return code in (STOPPED, TERMINATED) or code < 0


def console_tail(console: Path) -> str:
    """The last lines that a process printed."""
    with console.open("rb") as file:
        file.seek(max(0, console.stat().st_size - TAIL_BYTES))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-TAIL_LINES:]).strip()


def _failure(code: int, run: RunDirectory, stage: Stage, console: Path) -> dg.Failure:
    tail = console_tail(console)
    if code == REFUSED:
        text = f"the trainer refused its input:\n{tail}"
    elif ended_from_outside(code):
        text = f"{stage} of {run.instance_name} {_ended_from_outside(code, run, stage)}\n{tail}"
    else:
        text = f"{stage} of {run.instance_name} failed with code {code}: {_recorded_error(run, stage)}\n{tail}"
    return dg.Failure(text, metadata=_metadata(console), allow_retries=code != REFUSED)


def _ended_from_outside(code: int, run: RunDirectory, stage: Stage) -> str:
    resume, saved = f"`axiom run --resume {run.instance_name}`", saved_checkpoints(run) if stage == "train" else []
    if code == STOPPED:
        newest = saved[-1].name if saved else "its newest checkpoint"
        return f"was told to stop and saved its state (code {code}): {resume} goes on from {newest}."
    if code == TERMINATED:
        return f"was told to stop with nothing to go on from (code {code}): {resume} begins it anew."
    killer = next((each.name for each in signal.Signals if each == -code), f"signal {-code}")
    what = f"goes on from {saved[-1].name}" if saved else "begins it anew"
    return f"was killed by {killer} (code {code}): {resume} {what}."


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
