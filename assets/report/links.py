"""Files of a run as links in a page, relative to where the page lies, so that the folders may be moved together."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from assets.report.record import RunRecord
from trainer.contract import Manifest

SHOWN = 40


@dataclass(frozen=True)
class Link:
    """A file: what it is called, where it lies as seen from the page, its size in words."""

    name: str
    address: str
    size: str


def links_of(record: RunRecord, folder: Path) -> list[Link]:
    """The run's spec, manifests and artifacts that are there, seen from `folder`; no more than `SHOWN`."""
    files = [record.trained_in.spec_file]
    for run, manifest in ((record.trained_in, record.train), (record.evaluated_in, record.evaluate)):
        if manifest is not None:
            files += [run.manifest_file(manifest.stage), *(run.path / name for name in _artifacts(manifest))]
    there = [file for file in dict.fromkeys(files) if file.is_file()]
    return [link(file, folder, record.trained_in.path) for file in there[:SHOWN]]


def link(file: Path, folder: Path, run: Path) -> Link:
    """One file, named by its place in the run directory where it lies inside."""
    name = str(file.relative_to(run)) if file.is_relative_to(run) else file.name
    return Link(name, quote(os.path.relpath(file, folder)), size_words(file.stat().st_size))


def size_words(size: float) -> str:
    """`57.3 kB`."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def _artifacts(manifest: Manifest) -> list[str]:
    checkpoint = [manifest.checkpoint.path] if manifest.checkpoint else []
    return [*checkpoint, *(artifact.path for artifact in manifest.artifacts)]
