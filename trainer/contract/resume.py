"""What a spec says of the checkpoint that a training begins with, and what the run keeps of it; it opens no checkpoint.

The chosen checkpoint is copied into the run's own directory when training begins: whatever becomes of the other run
then, every attempt at this one, and every repetition of it, begins with the same bytes.
"""

import json
import re
import shutil
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from trainer.contract.checkpoints import BOUNDARY, REQUESTED, saved_checkpoints
from trainer.contract.manifest import Artifact, read_manifest
from trainer.contract.run_directory import RunDirectory, atomic_file, file_digest, write_text
from trainer.plain.model import FrozenModel
from trainer.plain.refusal import Refused, nearest

PARENT = "resume_from"
# Ops whose state a checkpoint holds, in a form that no other op can read.
STATEFUL = ("curriculum", "optimizer", "adam_step")
INSTANCE_NAME = r"\w[\w.-]*\Z"
DIGEST = r"sha256:[0-9a-f]{64}\Z"


class ResumeFrom(FrozenModel):
    """The checkpoint of another run that training begins with; none: it begins with new weights."""

    run: str = Field(description="Instance name of the other run; its directory lies beside this run's.")
    checkpoint: Literal["latest", "best"] = Field(
        default="latest", description="Its newest whole checkpoint, or that with the highest mean episode reward."
    )
    update: int | None = Field(default=None, ge=1, description="The checkpoint after this update instead.")
    load: Literal["all", "weights"] = Field(
        default="all", description="All: training goes on, updates counted on. Weights: all but the policy is new."
    )
    sha256: str = Field(
        default="", description="Digest of the checkpoint file, `sha256:…`: another one is refused. Empty: any."
    )

    @field_validator("run")
    @classmethod
    def _is_the_name_of_a_folder(cls, run: str) -> str:
        if not re.match(INSTANCE_NAME, run):
            raise ValueError("not an instance name: the name of a run's folder, as `axiom runs` shows it, not a path")
        return run

    @field_validator("sha256")
    @classmethod
    def _is_a_digest(cls, digest: str) -> str:
        if digest and not re.match(DIGEST, digest):
            raise ValueError("not of the form sha256: and 64 hex digits; the other run's manifest records it")
        return digest

    @model_validator(mode="after")
    def _names_one_checkpoint(self) -> Self:
        if self.update is not None and self.checkpoint != "latest":
            raise ValueError(f"checkpoint = {self.checkpoint!r} and update = {self.update} name two; leave one out")
        return self

    def __str__(self) -> str:
        which = f"{self.checkpoint} checkpoint" if self.update is None else f"checkpoint after update {self.update}"
        pinned = f" ({self.sha256})" if self.sha256 else ""
        return f"{'all' if self.load == 'all' else 'the weights'} of the {which} of {self.run}{pinned}"


def beginning_with(
    parent: RunDirectory, final: Artifact | None, *, load: Literal["all", "weights"], which: Literal["latest", "best"]
) -> ResumeFrom:
    """To begin with a training that has ended, and with no other bytes than its `final` checkpoint's.

    Of its best checkpoint nothing is recorded, so that there only the run is pinned.
    """
    sha256 = final.sha256 if final is not None and which == "latest" else ""
    return ResumeFrom(run=parent.instance_name, load=load, checkpoint=which, sha256=sha256)


class Begun(FrozenModel):
    """With which checkpoint of another run a training began; its bytes lie beside it."""

    asked: ResumeFrom = Field(description="What the spec says.")
    checkpoint: str = Field(description="The file's name in the other run.")
    update: int = Field(ge=0, description="After how many updates it was saved.")
    sha256: str = Field(description="Digest of its bytes.")
    parent: str = Field(description="Digest of the other run's train manifest; where it had none, of the bytes.")


def begun_files(run: RunDirectory) -> tuple[Path, Path]:
    """Where a run keeps the checkpoint that it began with, and the record of where that came from."""
    return run.stage("train") / "begin.pt", run.stage("train") / "begin.json"


def read_begun(run: RunDirectory) -> Begun | None:
    """With which checkpoint of another run the training began; none if it did not, or has not begun."""
    _, record = begun_files(run)
    return Begun.accept(json.loads(record.read_text(encoding="utf-8"))) if record.exists() else None


def keep_begun(run: RunDirectory, asked: ResumeFrom, checkpoint: Path, update: int) -> Begun:
    """Copy a checkpoint of another run, and record where it came from; raises `Refused` where it is not the asked one.

    Until the record is written, nothing has begun.
    """
    copy, record = begun_files(run)
    try:
        with atomic_file(copy) as temporary:
            shutil.copyfile(checkpoint, temporary)
            digest = file_digest(temporary)
            if asked.sha256 not in ("", digest):
                raise Refused.one("resume_from.sha256", asked.sha256, f"{checkpoint} is {digest}")
    except FileNotFoundError:
        why = f"{checkpoint} vanished while it was read: that run goes on, and keeps its newest ones; try again"
        raise Refused.one("resume_from", str(asked), why) from None
    parent = _manifest_digest(RunDirectory(checkpoint.parents[2])) or digest
    begun = Begun(asked=asked, checkpoint=checkpoint.name, update=update, sha256=digest, parent=parent)
    write_text(record, json.dumps(begun.plain(), indent=2) + "\n")
    return begun


def copy_begun(earlier: RunDirectory, again: RunDirectory) -> None:
    """Let a repetition begin with what the earlier run began with, if that was a checkpoint."""
    for file, copy in zip(begun_files(earlier), begun_files(again), strict=True):
        if file.exists():
            with atomic_file(copy) as temporary:
                shutil.copyfile(file, temporary)


def begun_parent(run: RunDirectory) -> dict[str, str]:
    """What a train manifest names as its parent; nothing for a training that began with new weights."""
    begun = read_begun(run)
    return {} if begun is None else {PARENT: begun.parent}


def run_to_resume(asked: ResumeFrom, runs: Path) -> RunDirectory:
    """The other run among `runs`; raises `Refused` with the nearest name if it is not there, or has no checkpoint."""
    other = RunDirectory(runs / asked.run)
    if not other.spec_file.is_file():
        names = sorted(found.parent.name for found in runs.glob("*/run.yaml"))
        near = get_close_matches(asked.run, names, n=5, cutoff=0.4) or names[-5:]
        raise Refused.one("resume_from.run", asked.run, f"no such run in {runs}; {nearest(asked.run, near)}")
    if not saved_checkpoints(other, BOUNDARY) and not saved_checkpoints(other, REQUESTED):
        raise Refused.one("resume_from.run", asked.run, f"has no checkpoint in {other.checkpoints}")
    return other


def _manifest_digest(run: RunDirectory) -> str | None:
    """None where the training has not ended, or left a manifest that cannot be read and so identifies nothing."""
    try:
        return read_manifest(run.manifest_file("train")).digest
    except Refused:
        return None
