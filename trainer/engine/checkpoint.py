"""Saving and loading the state of training: whole, with a digest, and only into the experiment it came from."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainer.contract import CheckpointConfig, Manifest, Refused, RunDirectory, atomic_file, file_digest

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


def weights_digest(policy: nn.Module) -> str:
    """`sha256:…` of every parameter and buffer that is saved: name, type, shape and bytes, in the order of names."""
    digest = sha256()
    for name, tensor in sorted(policy.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"
