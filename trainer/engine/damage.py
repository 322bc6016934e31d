"""Whether a run's files are what its manifests recorded, down to the tensor of a checkpoint; it never mends one."""

from collections.abc import Iterator
from pathlib import Path

import torch

from trainer.contract import Artifact, Manifest, Refused, RunDirectory, file_digest, load_experiment_spec, read_manifest
from trainer.contract.verification import Damage
from trainer.engine.digests import digests_of, whole_lines


def damage_of(run: RunDirectory, train: Manifest) -> tuple[Damage, ...]:
    """Every file of the run that is missing or is not as recorded."""
    children = [run.manifest_file(stage) for stage in ("evaluate", "analyze") if run.manifest_file(stage).exists()]
    manifests = [train, *map(read_manifest, children)]
    found = [*_spec_file(run, train), *_digest_log(run, train)]
    for manifest in manifests:
        recorded = [manifest.checkpoint] if manifest.checkpoint else []
        found += [Damage(path=each.path, why=why) for each in (*recorded, *manifest.artifacts)
                  if (why := _changed(run, each, train))]  # fmt: skip
        if manifest.parents.get("train", train.digest) != train.digest:
            why = f"is not the one that {manifest.stage} recorded: it was changed since"
            found.append(Damage(path=run.relative(run.manifest_file("train")), why=why))
    return tuple(found)


def _spec_file(run: RunDirectory, train: Manifest) -> Iterator[Damage]:
    try:
        spec = load_experiment_spec(run.spec_file)
    except Refused as refused:
        yield Damage(path="run.yaml", why=str(refused))
        return
    if spec.spec_hash != train.spec_hash:
        yield Damage(path="run.yaml", why=f"holds the spec {spec.spec_hash}, the manifest records {train.spec_hash}")


def _digest_log(run: RunDirectory, train: Manifest) -> Iterator[Damage]:
    path, updates = run.digests_file, train.metrics.get("updates") or 0
    lines, given = whole_lines(path), path.read_text().splitlines() if path.exists() else []
    last = lines[-1]["update"] if lines else 0
    if len(given) > len(lines):
        yield Damage(path=run.relative(path), why=f"line {len(lines) + 1} is torn or was changed")
    elif last < updates:
        yield Damage(path=run.relative(path), why=f"ends after update {last} of {updates:.0f}")


def _changed(run: RunDirectory, recorded: Artifact, train: Manifest) -> str | None:
    """Why a file is not the recorded one; none if it is."""
    file = run.path / recorded.path
    if not file.is_file():
        return "is missing"
    if file_digest(file) == recorded.sha256:
        return None
    why = f"has {file_digest(file)}, the manifest records {recorded.sha256}"
    is_checkpoint = train.checkpoint is not None and recorded.path == train.checkpoint.path
    return f"{why}{_changed_tensors(run, file)}" if is_checkpoint else why


def _changed_tensors(run: RunDirectory, checkpoint: Path) -> str:
    """Which tensors of a checkpoint have other digests than were recorded after its update."""
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        parts = {"policy": state["policy"], "optimizer": state["optimizer"], "random": state["generators"]}
        update = state["update"]
    except Exception as error:  # a torn file raises whatever its torn part is read as
        return f"; it cannot be read: {type(error).__name__}"
    recorded = next((line["digests"] for line in whole_lines(run.digests_file) if line["update"] == update), {})
    found = [name for name, digest in digests_of(parts).items() if recorded.get(name, digest) != digest]
    return f"; changed: {', '.join(found)}" if found else ""
