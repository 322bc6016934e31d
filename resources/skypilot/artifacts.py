"""Brings what a job left into the run directory, checked before it takes its place; nothing is ever half copied."""

import shutil
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import Any
from uuid import uuid4

from trainer.contract import (
    Artifact,
    Manifest,
    Problem,
    Refused,
    RunDirectory,
    Stage,
    file_digest,
    load_experiment_spec,
    read_manifest,
    redacted,
)

OWN = ("run.yaml", "source", "evaluate", "analyze")
JOB_FOLDER = "skypilot"

Opened = tuple[Any, str]


def require_writable(place: str) -> None:
    """Raises `Refused` where nothing can be kept at `place`; a probe is written there and removed."""
    try:
        files, folder = _opened(place)
        files.makedirs(folder, exist_ok=True)
        probe = f"{folder.rstrip('/')}/.axiom-probe-{uuid4().hex}"
        files.pipe_file(probe, b"")
        files.rm_file(probe)
    except Exception as error:  # Each of fsspec's file systems has errors of its own.
        why = f"cannot be written to: {type(error).__name__}: {redacted(str(error))}; the results would be lost"
        raise Refused.one("skypilot.artifacts", place, f"{why}; check its spelling, rights and credentials") from None


def bring_back(place: str, run: RunDirectory, stage: Stage) -> None:
    """Bring `<place>/<instance name>` into the run directory: the files that differ from what lies there.

    Raises `Refused`, and leaves the run directory as it was, where a file is not the one that the stage's manifest
    names. Without a manifest, as after a stage that was killed, nothing can be checked and everything is brought.
    """
    with _incoming(run) as incoming:
        try:
            files, folder = _opened(f"{place.rstrip('/')}/{run.instance_name}")
            _download(files, folder, run, stage, incoming)
        except Refused:
            raise
        except Exception as error:  # Each of fsspec's file systems has errors of its own.
            why = f"cannot be read: {type(error).__name__}: {redacted(str(error))}; the job's files are still there"
            raise Refused.one("skypilot.artifacts", place, why) from None
        _take(incoming, run, stage)


def bring_back_with(fetch: Callable[[Path], None], run: RunDirectory, stage: Stage) -> None:
    """The same with `fetch`, which copies the job's run directory into the folder that it is given."""
    with _incoming(run) as incoming:
        fetch(incoming)
        _take(incoming, run, stage)


@contextmanager
def _incoming(run: RunDirectory) -> Generator[Path]:
    folder = Path(mkdtemp(dir=run.path, prefix=".incoming-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _opened(place: str) -> Opened:
    # By its name: fsspec has no types.
    files, folder = import_module("fsspec.core").url_to_fs(place)
    files.invalidate_cache()
    return files, str(folder)


def _download(files: Any, folder: str, run: RunDirectory, stage: Stage, incoming: Path) -> None:
    """Copy what differs; the manifest first, since it says what does not need to be copied."""
    found = {name.removeprefix(folder).strip("/"): name for name in files.find(folder)}
    manifest = run.relative(run.manifest_file(stage))
    known = dict[str, str]()
    if manifest in found:
        _get(files, found.pop(manifest), incoming / manifest)
        known = {artifact.path: artifact.sha256 for artifact in _files_of(read_manifest(incoming / manifest))}
    for name, remote in found.items():
        here = run.path / name
        if _wanted(name) and not (name in known and here.is_file() and file_digest(here) == known[name]):
            _get(files, remote, incoming / name)


def _get(files: Any, remote: str, local: Path) -> None:
    local.parent.mkdir(parents=True, exist_ok=True)
    files.get_file(remote, str(local))


def _wanted(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return parts[0] not in OWN and JOB_FOLDER not in parts[:2] and not any(part.startswith(".") for part in parts)


def _take(incoming: Path, run: RunDirectory, stage: Stage) -> None:
    """Check what has come, then move it into its place, the manifest last."""
    manifest = incoming / run.relative(run.manifest_file(stage))
    if manifest.exists():
        _verify(read_manifest(manifest), incoming, run, stage)
    arrived = (file for file in sorted(incoming.rglob("*")) if file.is_file() and file != manifest)
    for file in (*arrived, *([manifest] if manifest.exists() else [])):
        name = file.relative_to(incoming)
        if _wanted(name.as_posix()):
            (run.path / name).parent.mkdir(parents=True, exist_ok=True)
            file.replace(run.path / name)


def _verify(manifest: Manifest, incoming: Path, run: RunDirectory, stage: Stage) -> None:
    """Every file that the manifest names is there, as it was written, and the manifest is of this stage and spec."""
    of = (manifest.stage, manifest.instance_name, manifest.spec_hash)
    if of != (stage, run.instance_name, load_experiment_spec(run.spec_file).spec_hash):
        raise Refused.one("manifest", " ".join(of), f"came back for {stage} of {run.instance_name}; it is another's")
    problems = [problem for artifact in _files_of(manifest) for problem in _problem(artifact, incoming, run)]
    if problems:
        raise Refused(problems)


def _problem(artifact: Artifact, incoming: Path, run: RunDirectory) -> Iterable[Problem]:
    file = next((place for place in (incoming / artifact.path, run.path / artifact.path) if place.is_file()), None)
    if file is None:
        yield Problem("artifacts", artifact.path, "the manifest names it, and it has not come back from the job")
    elif (digest := file_digest(file)) != artifact.sha256:
        why = f"came back with the digest {digest}, and the job wrote {artifact.sha256}: it was changed on the way"
        yield Problem("artifacts", artifact.path, why)


def _files_of(manifest: Manifest) -> list[Artifact]:
    """Those that lie in the run directory: what a config placed elsewhere stays on the job's machine."""
    named = (*((manifest.checkpoint,) if manifest.checkpoint else ()), *manifest.artifacts)
    return [artifact for artifact in named if not PurePosixPath(artifact.path).is_absolute()]
