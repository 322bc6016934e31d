"""Where a run's files lie, and how they are written: whole or not at all; never what is in them."""

import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path


@dataclass(frozen=True)
class RunDirectory:
    """One run: `run.yaml` (the resolved spec) and a folder for each stage. Its name is the instance name."""

    path: Path

    @property
    def instance_name(self) -> str:
        """`name` and timestamp, unique for each launch."""
        return self.path.name

    @property
    def spec_file(self) -> Path:
        """The resolved spec."""
        return self.path / "run.yaml"

    @property
    def source(self) -> Path:
        """The Python files of imported ops, as they were when the run began; the trainer imports from here first."""
        return self.path / "source"

    def source_files(self) -> list[Path]:
        """Every file of imported ops."""
        return sorted(self.source.rglob("*.py"))

    def source_first(self) -> AbstractContextManager[None]:
        """While the block runs, modules are imported from `source` before any other place."""
        return imported_first(self.source)

    def stage(self, stage: str) -> Path:
        """The folder of one stage: `train`, `evaluate` or `analyze`."""
        return self.path / stage

    def manifest_file(self, stage: str) -> Path:
        """The record of one stage."""
        return self.stage(stage) / "manifest.json"

    @property
    def metrics_file(self) -> Path:
        """Training metrics, one JSON object for each update."""
        return self.stage("train") / "metrics.jsonl"

    @property
    def digests_file(self) -> Path:
        """Digests of what training held, one JSON object for each update."""
        return self.stage("train") / "digests.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of the training stage's checkpoints."""
        return self.stage("train") / "checkpoints"

    def resolve(self, location: str) -> Path:
        """A path of the spec with `${run_dir}` filled in."""
        return Path(location.replace("${run_dir}", str(self.path)))

    def relative(self, file: Path) -> str:
        """The file's path as manifests record it: relative to the run directory where it lies inside."""
        return str(file.relative_to(self.path)) if file.is_relative_to(self.path) else str(file)


@contextmanager
def imported_first(folder: Path) -> Generator[None]:
    """While the block runs, modules are imported from `folder` before any other place."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@contextmanager
def atomic_file(path: Path) -> Generator[Path]:
    """A temporary file beside `path` that takes its place when the block ends well and vanishes otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def file_digest(path: Path) -> str:
    """`sha256:…` of a file's bytes."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return f"sha256:{digest.hexdigest()}"
