"""Saving and loading the state of training: whole, with its digest inside, and only into the spec it came from."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from io import BytesIO
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
from trainer.contract.checkpoints import BOUNDARY, checkpoint_file, saved_checkpoints
from trainer.engine.digests import digest_of_state

FORMAT = 2


class Damaged(ValueError):
    """A checkpoint file is torn, or is not what was saved."""


def save_checkpoint(
    run: RunDirectory, config: CheckpointConfig, update: int, state: Mapping[str, Any], kind: str = BOUNDARY
) -> Path:
    """Write the state after `update` updates, whole or not at all; of each kind only the newest `keep` stay.

    The best one of those at a boundary, by `state["score"]`, stays too.
    """
    path = checkpoint_file(run, update, kind)
    content = {"format": FORMAT, "update": update, **state}
    with atomic_file(path) as temporary:
        torch.save({**content, "digest": digest_of_state(content)}, temporary)
    for old in saved_checkpoints(run, kind)[: -config.keep]:
        if old.name != state.get("best"):
            old.unlink()
    return path


def load_checkpoint(path: Path) -> dict[str, Any]:
    """What is in a checkpoint; raises `Damaged` if it is torn or not what was saved, and OSError if it is not there."""
    file = BytesIO(path.read_bytes())
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        digest = content.pop("digest")
    except (UnpicklingError, RuntimeError, OSError, ValueError, EOFError, KeyError, AttributeError) as error:
        raise Damaged(f"{path}: is torn, or no checkpoint ({type(error).__name__}: {str(error)[:200]})") from error
    found = digest_of_state(content)
    if found != digest:
        raise Damaged(f"{path}: its content has the digest {found}, but {digest} was saved: it was changed")
    return content


def newest_checkpoint(run: RunDirectory, spec: TrainAndEvalSpec, say: Callable[[str], None]) -> dict[str, Any] | None:
    """The newest whole checkpoint of a run that it can go on from; raises `Refused` if it belongs to another spec."""
    found = newest_whole(run, say)
    if found is None:
        return None
    path, state = found
    if state["spec_hash"] != spec.spec_hash:
        why = f"it was made by spec {state['spec_hash']}, this run's is {spec.spec_hash}"
        raise Refused.one("checkpoint", str(path), why)
    return state


def newest_whole(run: RunDirectory, say: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
    """The newest whole checkpoint of a run, and what is in it; says aloud which damaged ones it passes over."""
    for path in reversed(saved_checkpoints(run)):
        try:
            return path, load_checkpoint(path)
        except Damaged as damaged:
            say(f"WARNING: a damaged checkpoint is passed over, training goes on from an earlier one: {damaged}")
        except FileNotFoundError:
            say(f"WARNING: {path} vanished while it was looked for: its run goes on")
    return None


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
    state = load_checkpoint(path)
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
    state = dict(given if isinstance(given, Mapping) else _given_file(Path(given)))
    missing = [key for key in ("policy", "interface") if key not in state]
    if missing:
        why = f"a checkpoint must hold {' and '.join(missing)}; return a checkpoint's path or its content"
        raise Refused.one("train", str(given)[:80], why)
    kept = {name: value for name, value in state.items() if name not in ("format", "update", "digest")}
    path = save_checkpoint(run, spec.trainer.checkpoint, state.get("update", 0), kept | {"spec_hash": spec.spec_hash})
    return path, weights_digest(state["policy"])


def _given_file(path: Path) -> dict[str, Any]:
    try:
        return load_checkpoint(path)
    except OSError:
        why = "no such file; give the path of a checkpoint (train/checkpoints/*.pt)"
        raise Refused.one("train", str(path), why) from None
    except Damaged as damaged:
        raise Refused.one("train", str(path), str(damaged)) from None


def weights_digest(policy: Mapping[str, torch.Tensor]) -> str:
    """`sha256:…` of a policy's saved state: each tensor's name, type, shape and bytes, in the order of names."""
    digest = sha256()
    for name, tensor in sorted(policy.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return f"sha256:{digest.hexdigest()}"
