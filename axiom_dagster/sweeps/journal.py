"""A sweep's journal: every decision, one line each, written before it is acted on; it decides nothing itself."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, TypeAdapter, ValidationError

from trainer.contract import FrozenModel, Refused

FILE = "journal.jsonl"
TrialStatus = Literal["succeeded", "pruned", "failed"]


class Began(FrozenModel):
    """The first line: the sweep as it was declared, and which Optuna chose."""

    event: Literal["began"] = "began"
    sweep: dict[str, Any] = Field(description="The whole sweep.")
    optuna: str = Field(description="Version of Optuna.")


class Asked(FrozenModel):
    """A trial is to be run with these values."""

    event: Literal["asked"] = "asked"
    trial: int = Field(ge=0, description="Its number, from 0.")
    params: dict[str, Any] = Field(description="The values, by path.")
    origin: int | None = Field(
        default=None, description="In a population the trial whose training it goes on with; none: new weights."
    )


class Looked(FrozenModel):
    """A trial was looked at while it trained."""

    event: Literal["looked"] = "looked"
    trial: int = Field(ge=0, description="Its number.")
    agent_steps: int = Field(ge=0, description="The point at which all trials are looked at.")
    value: float = Field(description="The pruner's metric there.")
    goes_on: bool = Field(description="False: it is to be stopped.")


class Ended(FrozenModel):
    """A trial has ended."""

    event: Literal["ended"] = "ended"
    trial: int = Field(ge=0, description="Its number.")
    status: TrialStatus = Field(description="How.")
    value: float | None = Field(default=None, description="The sweep's metric; none unless it succeeded.")
    agent_steps: int = Field(default=0, ge=0, description="How far it trained.")
    seconds: float = Field(default=0.0, ge=0, description="How long its run took.")
    why: str = Field(default="", description="Why it failed.")
    run: str = Field(default="", description="Instance name of its run; empty where it had none.")


class Stopped(FrozenModel):
    """The sweep has ended; a larger budget goes on behind this line."""

    event: Literal["stopped"] = "stopped"
    why: str = Field(description="Which bound was reached, or what went wrong.")
    best: int | None = Field(
        default=None, description="The best trial, whose spec was exported; none if there is none."
    )


Entry = Annotated[Began | Asked | Looked | Ended | Stopped, Discriminator("event")]
ENTRY = TypeAdapter[Began | Asked | Looked | Ended | Stopped](Entry)


class Journal:
    """The open journal of one sweep; while it is open, no other process can open it."""

    def __init__(self, folder: Path) -> None:
        """Raises `Refused` where another process has it open."""
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        self._file: IO[bytes] = self.path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            why = "another process is at this sweep; wait for it, or end it"
            raise Refused.one("sweep", folder.name, why) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def entries(self) -> list[Entry]:
        """All lines; the end of a write that was cut off is dropped from the file. Raises `Refused` for damage."""
        self._file.seek(0)
        data = self._file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._file.truncate(len(whole))
        return list(_read(self.path, whole))

    def append(self, entry: Entry) -> None:
        """Write a line, and return when it is on the disk."""
        self._file.write(entry.model_dump_json().encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def read_journal(folder: Path) -> list[Entry]:
    """All whole lines of a journal that another process may be writing; none where there is no journal."""
    file = folder / FILE
    if not file.exists():
        return []
    data = file.read_bytes()
    return list(_read(file, data[: data.rfind(b"\n") + 1]))


def _read(path: Path, data: bytes) -> Iterator[Entry]:
    for number, line in enumerate(data.splitlines(), 1):
        try:
            yield ENTRY.validate_json(line)
        except ValidationError as error:
            why = f"line {number} is damaged: {error.errors()[0]['msg']}; give the sweep another name"
            raise Refused.one("journal", str(path), why) from None
