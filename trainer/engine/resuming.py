"""What a checkpoint holds of a training, and how a training goes on from it; never where the file lies.

A resumed training is bit for bit the one that was never interrupted: at each checkpoint a segment ends, and in the next
one every environment begins anew from derived seeds, in both.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from trainer.contract import Refused
from trainer.ops.slots import TaskEnd
from trainer.policies.actor_critic import interface_of

if TYPE_CHECKING:
    from trainer.engine.training import Training

# What a checkpoint must hold for a training to go on with all of it.
WHOLE = (
    "agent_steps",
    "metrics",
    "policy",
    "optimizer",
    "reward_scale",
    "curriculum",
    "curriculum_generator",
    "generators",
    "recent",
    "ended",
)


@dataclass(frozen=True)
class Beginning:
    """A checkpoint that a training begins with: to go on with all of it, or with no more than the policy's weights.

    `origin` is the run that it is of; empty: an earlier attempt at the same one.
    """

    state: dict[str, Any]
    whole: bool = True
    origin: str = ""

    @property
    def done(self) -> int:
        """How many updates count as done."""
        return self.state["update"] if self.whole else 0


def state_of(training: "Training") -> dict[str, Any]:
    """All that the next update depends on, as tensors and plain data."""
    return {
        "spec_hash": training.spec.spec_hash,
        "interface": interface_of(training.spaces),
        "agent_steps": training.done * training.config.batch_size,
        "metrics": training.metrics,
        "target_reward": training.config.target_reward,
        "score": training.metrics["overview/reward"],
        "best": training.best[1] if training.best else None,
        "best_score": training.best[0] if training.best else None,
        "policy": cast("nn.Module", training.policy).state_dict(),
        "optimizer": training.learner.optimizer_state,
        "reward_scale": training.reward_scale.state_dict(),
        "curriculum": {name: torch.from_numpy(array.copy()) for name, array in training.curriculum_state.items()},
        "curriculum_generator": training.curriculum_generator.bit_generator.state,
        "generators": {name: generator.get_state() for name, generator in training.generators().items()},
        "recent": [_plain(end) for end in training.recent],
        "ended": [_plain(end) for end in training.ended],
        "monitors": training.monitors.state(),
    }


def restore(training: "Training", beginning: Beginning) -> None:
    """Put a checkpoint in the place of a training's first state; raises `Refused` where it is of another policy."""
    state = beginning.state
    _refuse_another_policy(training, beginning)
    cast("nn.Module", training.policy).load_state_dict(state["policy"])
    if not beginning.whole:
        return
    training.done = beginning.done
    training.metrics = state["metrics"]
    if state.get("target_reward") == training.config.target_reward:
        training.target = {name: value for name, value in state["metrics"].items() if name.startswith("target/")}
    training.earlier_seconds = state["metrics"]["seconds"]
    if not beginning.origin:
        training.monitors.restore(state["monitors"])
    if not beginning.origin and state["best"] is not None:
        training.best = state["best_score"], state["best"]
    training.learner.optimizer_state = {name: _placed(value, training) for name, value in state["optimizer"].items()}
    training.reward_scale.load_state_dict(state["reward_scale"])
    training.curriculum_state = {name: array.numpy().copy() for name, array in state["curriculum"].items()}
    training.curriculum_generator.bit_generator.state = state["curriculum_generator"]
    for name, generator in training.generators().items():
        generator.set_state(state["generators"][name])
    training.recent.extend(TaskEnd(**end) for end in state["recent"])
    training.ended = [TaskEnd(**end) for end in state["ended"]]


def _placed(value: torch.Tensor, training: "Training") -> torch.Tensor:
    """What an optimizer remembers on the device; counts, which have no dimension, stay on the host."""
    return value.to(training.device) if value.ndim else value


def _refuse_another_policy(training: "Training", beginning: Beginning) -> None:
    of, state = beginning.origin or "an earlier attempt", beginning.state
    own = interface_of(training.spaces)
    if state["interface"] != own:
        why = f"the policy of {of} is made for {state['interface']}: its weights fit no other observations and actions"
        raise Refused.one("trainer.curriculum.env", own, why)
    shapes, theirs = _shapes(cast("nn.Module", training.policy).state_dict()), _shapes(state["policy"])
    if differing := [name for name in {**shapes, **theirs} if shapes.get(name) != theirs.get(name)]:
        first, number = differing[0], len(differing)
        why = f"in {of} it is {theirs.get(first)}, and {number} such differ: it has another network (agent, policy)"
        raise Refused.one(f"agent: {first}", shapes.get(first), why)


def _shapes(policy: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in policy.items()}


def _plain(end: TaskEnd) -> dict[str, Any]:
    return asdict(end) | {"task": dict(end.task)}
