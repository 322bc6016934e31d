"""Which checkpoint a training begins with: its own newest, else one of the run that its spec names; it runs nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trainer.contract import Refused, RunDirectory, TrainAndEvalSpec, file_digest, load_experiment_spec
from trainer.contract.checkpoints import BOUNDARY, REQUESTED, checkpoint_file, saved_checkpoints
from trainer.contract.continuing import shared_by_all
from trainer.contract.resume import Begun, ResumeFrom, begun_files, keep_begun, read_begun, run_to_resume
from trainer.engine.checkpoint import Damaged, load_checkpoint, newest_checkpoint, newest_whole
from trainer.engine.resuming import WHOLE, Beginning

Say = Callable[[str], None]


def beginning_of(run: RunDirectory, spec: TrainAndEvalSpec, say: Say) -> Beginning | None:
    """What training begins with; none: new weights.

    The newest checkpoint of an earlier attempt at this run comes before that of another run, of which `run` keeps a
    copy from its first attempt on. Raises `Refused` where the other run, or its checkpoint, is not to be had, or cannot
    be gone on from.
    """
    state = newest_checkpoint(run, spec, say)
    if state is not None:
        say(f"training goes on after update {state['update']} of an earlier attempt")
        return Beginning(state)
    if spec.resume_from is None:
        return None
    asked = spec.resume_from
    begun = read_begun(run) or _begin(run, spec, asked, say)
    state = _kept_state(run, begun, asked)
    say(f"training begins with {asked}: update {begun.update}, {begun.sha256}")
    return Beginning(state, whole=asked.load == "all", origin=asked.run)


def _begin(run: RunDirectory, spec: TrainAndEvalSpec, asked: ResumeFrom, say: Say) -> Begun:
    other = run_to_resume(asked, run.path.parent)
    path, state = _chosen(other, asked, say)
    if asked.load == "all":
        _refuse_what_cannot_go_on(state, spec, other)
    return keep_begun(run, asked, path, state["update"])


def _kept_state(run: RunDirectory, begun: Begun, asked: ResumeFrom) -> dict[str, Any]:
    copy, record = begun_files(run)
    if begun.asked != asked:
        why = f"{record} says that this run began with {begun.asked}; begin another run with another checkpoint"
        raise Refused.one("resume_from", str(asked), why)
    found = file_digest(copy) if copy.is_file() else "missing"
    if found != begun.sha256:
        why = f"this run began with {begun.sha256}, and cannot begin so again; start a new one"
        raise Refused.one(run.relative(copy), found, why)
    return load_checkpoint(copy)


def _chosen(other: RunDirectory, asked: ResumeFrom, say: Say) -> tuple[Path, dict[str, Any]]:
    """The checkpoint that is asked for, and what is in it."""
    if asked.update is not None:
        return _named(_after(other, asked.update), asked)
    newest = newest_whole(other, say)
    if newest is None:
        raise Refused.one("resume_from.run", asked.run, f"has no whole checkpoint in {other.checkpoints}")
    if asked.checkpoint == "latest":
        return newest
    best = newest[1].get("best")
    if best is None:
        why = "no checkpoint of it has a mean episode reward yet, so that none is the best; ask for the latest"
        raise Refused.one("resume_from.checkpoint", "best", why)
    return _named(other.checkpoints / best, asked)


def _after(other: RunDirectory, update: int) -> Path:
    kinds = (BOUNDARY, REQUESTED)
    for path in (checkpoint_file(other, update, kind) for kind in kinds):
        if path.is_file():
            return path
    there = ", ".join(path.name for kind in kinds for path in saved_checkpoints(other, kind))
    raise Refused.one("resume_from.update", update, f"{other.instance_name} has no checkpoint after it, but {there}")


def _named(path: Path, asked: ResumeFrom) -> tuple[Path, dict[str, Any]]:
    """A checkpoint that no other one can stand in for."""
    try:
        return path, load_checkpoint(path)
    except FileNotFoundError:
        raise Refused.one("resume_from", str(asked), f"{path} is not there any more; ask for another one") from None
    except Damaged as damaged:
        raise Refused.one("resume_from", str(asked), f"{damaged}; ask for another one") from None


def _refuse_what_cannot_go_on(state: Mapping[str, Any], spec: TrainAndEvalSpec, other: RunDirectory) -> None:
    """Refuse a checkpoint whose training cannot go on by this spec, other than with its weights alone."""
    name, otherwise = other.instance_name, "or begin with its weights alone (resume_from.load = weights)"
    if missing := [key for key in WHOLE if key not in state]:
        why = f"{name}'s checkpoint holds no {', '.join(missing)}; set weights: there is no more of it"
        raise Refused.one("resume_from.load", "all", why)
    for path, (then, now) in shared_by_all(load_experiment_spec(other.spec_file), spec).items():
        if then != now:
            why = f"{name} was trained with {then!r}, which its checkpoint counts or stores by; set that, {otherwise}"
            raise Refused.one(path, now, why)
    if state["update"] >= spec.trainer.num_updates:
        why = f"{name} has trained for {state['agent_steps']} already; ask for more, {otherwise}"
        raise Refused.one("trainer.total_timesteps", spec.trainer.total_timesteps, why)
