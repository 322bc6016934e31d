"""A run directory mirrored to a place from where another machine goes on with it; it never decides what is in a run.

What is there is whole enough to go on from at every moment: logs come before the checkpoints that count on them, and
manifests last.
"""

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from trainer.contract import Progress, Refused, Reporter, RunDirectory, Superseded, redacted
from trainer.contract.attempts import attempts_file
from trainer.contract.checkpoints import BOUNDARY, REQUESTED, saved_checkpoints
from trainer.contract.manifest import Stage
from trainer.stopping import Cancelled

ARTIFACTS_VARIABLE = "AXIOM_ARTIFACTS"
PAUSES = (0.0, 5.0, 20.0)
"""Seconds before each try to bring the files of a stage that has ended to where they are kept."""
WHAT_TO_DO = "check the address, the credentials, and that this machine may write there"
Say = Callable[[str], None]


class ArtifactsLost(OSError):
    """The files of a run could not be brought to where they are kept; they lie on this machine alone."""


class Mirror(Protocol):
    """Another place for the files of a run."""

    def pull(self) -> None:
        """Bring what is there; to be called before the run directory is used."""
        ...

    def fed_by(self, reporter: Reporter) -> Reporter:
        """A reporter that brings each checkpoint there as it passes on the progress that tells of it."""
        ...

    def kept(self, say: Say) -> AbstractContextManager[None]:
        """While the block runs a stage; at its end, however it ends, all files are brought there."""
        ...


class NoMirror:
    """The run directory is the only place."""

    def pull(self) -> None:
        """Nothing."""

    def fed_by(self, reporter: Reporter) -> Reporter:
        """The same reporter."""
        return reporter

    @contextmanager
    def kept(self, say: Say) -> Generator[None]:
        """Nothing."""
        yield


class StoredMirror:
    """One run's directory at `<address>/<instance name>`, wherever fsspec can write.

    Which of the two is the newer one is told by the attempts at the stage that each of them knows.
    """

    def __init__(self, address: str, run: RunDirectory, stage: Stage, pauses: tuple[float, ...] = PAUSES) -> None:
        self._run, self._pauses = run, pauses
        self._attempts = attempts_file(run, stage)
        self._address = f"{redacted(address).rstrip('/')}/{run.instance_name}"
        self._there: dict[str, tuple[int, int]] = {}
        with self._refusing():
            from trainer.file_store import FileStore

            self._store = FileStore(address, run.instance_name)

    def pull(self) -> None:
        """Bring what is there; raises `Refused` where this machine cannot write there.

        Where an attempt has begun there that is not known here, the files there take the place of those here;
        otherwise these are the newer ones, and no more than what is missing is brought.
        """
        with self._refusing():
            self._store.try_to_write()
            sizes, takes_over = self._store.sizes(), not self._knows_all_attempts()
            for name, size in sizes.items():
                file = self._run.path / name
                if self._is_that_checkpoint(file, size):
                    self._there[name] = _signature(file)
                elif takes_over or not file.exists():
                    self._store.get(name, file)
                    self._there[name] = _signature(file)
            for file in self._checkpoints() if takes_over else ():
                if self._run.relative(file) not in sizes:
                    file.unlink()

    def push(self) -> None:
        """Bring there what has changed here, and remove the checkpoints that were dropped here.

        Raises `Superseded` where a later attempt has begun there, `ArtifactsLost` where it cannot be done now.
        """
        try:
            if not self._knows_all_attempts():
                raise Superseded(f"a later attempt has taken over: {self._address}")
            for file in sorted(self._changed(), key=self._turn):
                self._put(file)
            self._drop_checkpoints()
        except Exception as error:  # every kind of file system raises errors of its own
            raise ArtifactsLost(f"{self._address}: {_words(error)}; {WHAT_TO_DO}") from error

    def fed_by(self, reporter: Reporter) -> Reporter:
        """See `Mirror.fed_by`; a checkpoint that cannot be brought there is told of, and the next one tried."""
        return _Feeding(reporter, self)

    @contextmanager
    def kept(self, say: Say) -> Generator[None]:
        """See `Mirror.kept`; raises `ArtifactsLost` where a stage ended well and its files cannot be brought there."""
        try:
            yield
        except Refused:
            raise
        except (Exception, Cancelled, KeyboardInterrupt):
            try_to_push(self, say)
            raise
        self._push_patiently(say)

    def _push_patiently(self, say: Say) -> None:
        for pause in self._pauses[:-1]:
            time.sleep(pause)
            if try_to_push(self, say):
                return
        time.sleep(self._pauses[-1])
        try:
            self.push()
        except ArtifactsLost as lost:
            kept = f"the stage has ended well, and all its files lie in {self._run.path} on this machine"
            raise ArtifactsLost(f"{lost}; {kept}") from lost.__cause__

    def _knows_all_attempts(self) -> bool:
        here = self._attempts.read_bytes() if self._attempts.exists() else b""
        return here.startswith(self._store.read(self._run.relative(self._attempts)) or b"")

    def _checkpoints(self) -> list[Path]:
        return [*saved_checkpoints(self._run, BOUNDARY), *saved_checkpoints(self._run, REQUESTED)]

    def _is_that_checkpoint(self, file: Path, size: int) -> bool:
        """Whether a checkpoint need not be brought again: one update has one state. Training sees which is damaged."""
        return file.suffix == ".pt" and file.is_file() and file.stat().st_size == size

    def _changed(self) -> list[Path]:
        """Files that are not there as they are here; no links, and none that is being written."""
        found = (file for file in self._run.path.rglob("*") if file.is_file() and not file.is_symlink())
        whole = (file for file in found if not file.name.startswith("."))
        return [file for file in whole if self._there.get(self._run.relative(file)) != _signature(file)]

    def _turn(self, file: Path) -> int:
        """Whose turn it is: the attempts', then logs and all that a run starts from, checkpoints, manifests."""
        if file == self._attempts:
            return 0
        return {".pt": 2, ".json": 3}.get(file.suffix, 1)

    def _put(self, file: Path) -> None:
        with suppress(FileNotFoundError):  # a tracker's file may be gone again
            signature = _signature(file)
            self._store.put(file, self._run.relative(file))
            self._there[self._run.relative(file)] = signature

    def _drop_checkpoints(self) -> None:
        folder = f"{self._run.relative(self._run.checkpoints)}/"
        kept = {self._run.relative(file) for file in self._checkpoints()}
        for name in [name for name in self._there if name.startswith(folder) and name not in kept]:
            self._store.remove(name)
            del self._there[name]

    @contextmanager
    def _refusing(self) -> Generator[None]:
        try:
            yield
        except (ImportError, ValueError, PermissionError, FileNotFoundError, NotADirectoryError, FileExistsError) as no:
            raise Refused.one(
                ARTIFACTS_VARIABLE, self._address, f"cannot be used: {_words(no)}; {WHAT_TO_DO}"
            ) from None
        except Exception as error:
            raise ArtifactsLost(f"{self._address}: {_words(error)}; {WHAT_TO_DO}") from error


class _Feeding:
    def __init__(self, reporter: Reporter, mirror: StoredMirror) -> None:
        self._reporter, self._mirror = reporter, mirror
        self._begun = False

    def progress(self, progress: Progress) -> None:
        """Pass on; the first one brings the attempt there, so that an older one that lives on sees it."""
        self._reporter.progress(progress)
        if progress.saved or not self._begun:
            self._begun = True
            try_to_push(self._mirror, self._reporter.log)

    def log(self, message: str) -> None:
        """Pass on."""
        self._reporter.log(message)


def mirror_of(environment: Mapping[str, str], run: RunDirectory, stage: Stage) -> Mirror:
    """The mirror that the environment names, if it does; raises `Refused` for an address that cannot be one."""
    address = environment.get(ARTIFACTS_VARIABLE, "")
    return StoredMirror(address, run, stage) if address else NoMirror()


def try_to_push(mirror: StoredMirror, say: Say) -> bool:
    """Bring there what has changed; where that cannot be done, say so."""
    try:
        mirror.push()
    except ArtifactsLost as lost:
        say(f"WARNING: the run's files were not brought to {lost}; it is tried again")
        return False
    return True


def _signature(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _words(error: BaseException) -> str:
    return redacted(f"{type(error).__name__}: {error}")
