"""Saving and loading the state of training: whole, with a digest, and only into the experiment it came from."""

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from trainer.contract import (
    CheckpointConfig,
    Manifest,
    Refused,
    RunDirectory,
    TrainAndEvalSpec,
    atomic_file,
    file_digest,
)

FORMAT = 1
NAME = re.compile(r"update_\d{6}\.pt")


def save_checkpoint(run: RunDirectory, config: CheckpointConfig, update: int, state: dict[str, Any]) -> Path:
    """Write the state after `update` updates, whole or not at all, and drop all but the newest `keep`."""
    path = run.checkpoints / f"update_{update:06d}.pt"
    with atomic_file(path) as temporary:
        torch.save({"format": FORMAT, "update": update} | state, temporary)
    saved = sorted(file for file in run.checkpoints.iterdir() if NAME.fullmatch(file.name))
    for old in saved[: -config.keep]:
        old.unlink()
    return path


def load_final_checkpoint(train: Manifest, run: RunDirectory) -> dict[str, Any]:
    """The checkpoint that a train manifest names; `run` is the directory of that manifest.

    Raises `Refused` if it is missing, is not the file that was recorded, or belongs to another spec.
    """
    if train.checkpoint is None:
        raise Refused.one("train.checkpoint", None, f"run {train.instance_name!r} left none (it {train.status})")
    path = run.path / train.checkpoint.path
    if not path.is_file():
        raise Refused.one("train.checkpoint", str(path), "no such file; was the run directory moved or cleaned?")
    found = file_digest(path)
    if found != train.checkpoint.sha256:
        why = f"its digest is {found}, the manifest recorded {train.checkpoint.sha256}: it is torn or was changed"
        raise Refused.one("train.checkpoint", str(path), why)
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["spec_hash"] != train.spec_hash:
        why = f"it was made by spec {state['spec_hash']}, this run's is {train.spec_hash}"
        raise Refused.one("train.checkpoint", str(path), why)
    return state


def adopt_checkpoint(
    given: str | Path | Mapping[str, Any], spec: TrainAndEvalSpec, run: RunDirectory
) -> tuple[Path, str]:
    """Save a checkpoint of an earlier training as this run's own; where it lies now, and the digest of its weights.

    Raises `Refused` unless it holds a policy and says for which interface.
    """
    state = dict(given if isinstance(given, Mapping) else _load(Path(given)))
    missing = [key for key in ("policy", "interface") if key not in state]
    if missing:
        why = f"a checkpoint must hold {' and '.join(missing)}; return a checkpoint's path or its content"
        raise Refused.one("train", str(given)[:80], why)
    path = save_checkpoint(run, spec.trainer.checkpoint, state.pop("update", 0), state | {"spec_hash": spec.spec_hash})
    return path, weights_digest(state["policy"])


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise Refused.one("train", str(path), "no such file; give the path of a checkpoint (train/checkpoints/*.pt)")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise Refused.one("train", str(path), f"is not a checkpoint: {error}") from error


def weights_digest(policy: Mapping[str, torch.Tensor]) -> str:
    """`sha256:…` of a policy's saved state: each tensor's name, type, shape and bytes, in the order of names."""
    digest = sha256()
    for name, tensor in sorted(policy.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"
