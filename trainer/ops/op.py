"""What an op is: a named implementation of a slot, data with typed parameters that can be called; never a closure."""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from trainer.ops.slopes import with_slopes
from trainer.ops.slots import (
    Earned,
    Estimate,
    Experience,
    Gradients,
    Lesson,
    Loss,
    OptimizerStep,
    Sample,
    Task,
)
from trainer.plain.model import FrozenModel

if TYPE_CHECKING:
    from torch import Tensor

    from trainer.ops.slots import Floats


class Op(FrozenModel):
    """One implementation of one slot. Its fields are its parameters; `name` is its word in specs and the Launchpad.

    A subclass that gives a `name` is registered by being defined in a module of `trainer.ops`.
    """

    slot: ClassVar[str]
    name: ClassVar[str]

    def __call__(self, given: Any, /) -> Any:
        """Do what the slot asks for."""
        raise TypeError(f"{type(self).__name__} has no implementation of __call__")


class CurriculumOp(Op):
    """Says what each environment plays from its next episode on; called before each rollout."""

    slot: ClassVar[str] = "curriculum"

    def __call__(self, lesson: Lesson) -> Sequence[Task]:
        """Assign: one task for each of `num_envs` environments."""
        raise TypeError(f"{type(self).__name__} has no implementation of __call__")


class RewardOp(Op):
    """Says what each step is worth, before rewards are scaled; no gradient passes."""

    slot: ClassVar[str] = "compute_reward"

    def __call__(self, earned: Earned) -> "Floats | float":
        """Pay: float32 (T, N), or one number for every step."""
        raise TypeError(f"{type(self).__name__} has no implementation of __call__")


class AdvantageOp(Op):
    """Estimates advantages and returns from a rollout; no gradient passes."""

    slot: ClassVar[str] = "compute_advantage"

    def __call__(self, experience: Experience) -> Estimate:
        """Estimate."""
        raise TypeError(f"{type(self).__name__} has no implementation of __call__")


class LossOp(Op):
    """Turns a minibatch into the scalar that the optimizer minimizes."""

    slot: ClassVar[str] = "compute_loss"

    def __call__(self, sample: Sample) -> Loss:
        """Compute."""
        raise TypeError(f"{type(self).__name__} has no implementation of __call__")


class ClipOp(Op):
    """Bounds the gradients in place and returns their norm before."""

    slot: ClassVar[str] = "clip_gradients"

    def __call__(self, given: Gradients) -> "Tensor":
        """Clip."""
        raise TypeError(f"{type(self).__name__} has no implementation of __call__")


class OptimizerOp(Op):
    """Moves the parameters by their gradients, in place."""

    slot: ClassVar[str] = "adam_step"

    def __call__(self, step: OptimizerStep) -> None:
        """Step."""
        raise TypeError(f"{type(self).__name__} has no implementation of __call__")


@cache
def implementations() -> Mapping[str, Mapping[str, type[Op]]]:
    """Every implementation of every slot, by the slot's and the implementation's name."""
    import trainer.ops

    for module in pkgutil.iter_modules(trainer.ops.__path__):
        importlib.import_module(f"trainer.ops.{module.name}")
    found: dict[str, dict[str, type[Op]]] = {}
    for op in sorted(_named(Op), key=lambda op: op.__module__):
        if op.__module__.startswith("trainer.ops."):
            found.setdefault(op.slot, {})[op.name] = op
    return found


def value_error(sample: Sample) -> "tuple[Tensor, Tensor]":
    """The squared errors (B,) of the values, halved, and their slopes (B,) by the values.

    With `value_clip_coef` the worse of it and of the value kept near; where that is worse, moving on changes nothing.
    """
    values = sample.values.detach()
    error = values - sample.returns
    squared, clip = error.square(), sample.value_clip_coef
    if clip is not None:
        shift = values - sample.old_values
        error_near = sample.old_values + shift.clamp(-clip, clip) - sample.returns
        squared_near = error_near.square()
        error = error.where(squared_near <= squared, error_near.masked_fill(shift.abs() > clip, 0.0))
        squared = squared.maximum(squared_near)
    return squared.mul_(0.5), error


class Moved(NamedTuple):
    """How far each action's probability has moved from that by which it was taken, (B,) each."""

    ratio: "Tensor"
    near: "Tensor"  # no further from 1 than `clip_coef`
    log_ratio: "Tensor"


def moved(sample: Sample) -> Moved:
    """How far; no gradient passes."""
    log_ratio = sample.log_probs.detach() - sample.old_log_probs
    ratio = log_ratio.exp()
    return Moved(ratio, ratio.clamp(1 - sample.clip_coef, 1 + sample.clip_coef), log_ratio)


def complete(sample: Sample, by: Moved, policy: "Tensor", slope: "Tensor", kl_coef: float = 0.0) -> Loss:
    """The whole loss around a policy loss: the mean of `policy + kl_coef * KL + value_coef * L_V - entropy_coef * H`.

    `by` is `moved(sample)`; `policy` (B,) has each row's part of the policy loss, and `slope` (B,) that of
    `policy + kl_coef * KL` by the log-probabilities, in closed form; autograd has to find none. `approx_kl` is
    `E[(r - 1) - log r]` of the probability ratio r, never negative (Schulman 2020, "Approximating KL divergence");
    `clipfrac` is the part of the minibatch whose ratio left `1 ± clip_coef`.
    """
    rows = len(policy)
    half_squared, error = value_error(sample)
    # The mean as a product with equal weights: of few rows torch takes a third of the time that it takes for `mean`.
    even = error.new_full(error.shape, 1 / rows)
    loss, value, entropy = policy.dot(even), half_squared.dot(even), sample.entropy.detach().dot(even)
    approx_kl = (by.log_ratio.expm1() - by.log_ratio).dot(even)
    total = loss.add(value, alpha=sample.value_coef).sub(entropy, alpha=sample.entropy_coef)
    by_entropy = error.new_full(error.shape, -sample.entropy_coef / rows)
    slopes = slope / rows, error * (sample.value_coef / rows), by_entropy
    measured = sample.log_probs, sample.values, sample.entropy
    return Loss(
        total=with_slopes(total.add(approx_kl, alpha=kl_coef) if kl_coef else total, measured, slopes),
        policy=loss.detach(),
        value=value,
        entropy=entropy,
        approx_kl=approx_kl,
        clipfrac=by.ratio.ne(by.near).float().dot(even),
    )


def _named(op: type[Op]) -> list[type[Op]]:
    own = [op] if "name" in vars(op) else []
    return own + [below for child in op.__subclasses__() for below in _named(child)]
