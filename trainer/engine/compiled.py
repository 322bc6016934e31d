"""A minibatch measured and differentiated by compiled code; it computes what `Measuring` does, but for rounding.

Legend: T steps, N slots, * the shape of an observation, K tokens.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from trainer.contract import SystemConfig
from trainer.engine.measuring import Measuring
from trainer.engine.staging import widened
from trainer.envs.interface import Spaces, TokenObservations
from trainer.policies.actor_critic import Policy
from trainer.policies.closed_form import Measures

# Each number of columns is compiled anew, and torch gives up after eight: 500 tokens make eight.
COLUMNS = 64

Judge = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class Measurer(Protocol):
    """Measures a minibatch, and takes the gradient of a loss by what was measured on to the policy's parameters."""

    def measure(self, observations: Tensor, state: Tensor, starts: Tensor, actions: Tensor) -> Measures:
        """The leaves, (T * N,) each, of observations (T, N, *) and actions (T, N, ...) from the state before them."""
        ...

    def differentiate(self, loss: Tensor) -> None:
        """Add the gradient of `loss` to the parameters' `grad`, which is zeros."""
        ...


def measurer_of(policy: Policy, spaces: Spaces, system: SystemConfig, device: torch.device) -> Measurer:
    """What the spec says; a CPU has no CUDA graphs, and there both modes are the same."""
    if system.compile == "none":
        return Measuring(policy)
    graphs = system.compile == "reduce-overhead" and device.type == "cuda"
    return CompiledMeasuring(policy, isinstance(spaces.observation, TokenObservations), graphs)


class CompiledMeasuring:
    """Forward and backward as torch compiles them, one piece of code for each shape of a minibatch.

    With CUDA graphs what was measured lies in memory of the graph, which the next minibatch writes anew; so a loss is
    given copies, which it may keep.
    """

    _measured: Measures
    _leaves: Measures

    def __init__(self, policy: Policy, tokens: bool, graphs: bool) -> None:
        self._tokens, self._graphs = tokens, graphs
        self._judge = torch.compile(_judging(policy), mode="reduce-overhead" if graphs else "default", dynamic=False)

    def measure(self, observations: Tensor, state: Tensor, starts: Tensor, actions: Tensor) -> Measures:
        """As `Measurer` says; tokens get padding up to the next of few widths, which measures the same."""
        if self._tokens:
            columns = -(-observations.shape[2] // COLUMNS) * COLUMNS
            observations = widened([observations], columns)[0]
        if self._graphs:
            torch.compiler.cudagraph_mark_step_begin()
        self._measured = Measures(*self._judge(observations, state, starts, actions))
        leaves = (each.detach().clone() if self._graphs else each.detach() for each in self._measured)
        self._leaves = Measures(*(leaf.requires_grad_() for leaf in leaves))
        return self._leaves

    def differentiate(self, loss: Tensor) -> None:
        """As `Measurer` says."""
        slopes = torch.autograd.grad(loss, self._leaves, allow_unused=True, materialize_grads=True)
        found = [(part, slope) for part, slope in zip(self._measured, slopes, strict=True) if part.requires_grad]
        torch.autograd.backward([part for part, _ in found], [slope for _, slope in found])


def _judging(policy: Policy) -> Judge:
    """The function that is compiled: tensors in, tensors out."""

    def judge(observations: Tensor, state: Tensor, starts: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        judged = policy(observations, state, starts)
        parameters = judged.parameters.flatten(0, 1)
        log_probs = policy.log_prob(parameters, actions.flatten(0, 1))
        return log_probs, judged.values.flatten(), policy.entropy(parameters)

    # Torch counts what it compiles by the code object, which all trainings of a process would share.
    judge.__code__ = judge.__code__.replace()
    return judge
