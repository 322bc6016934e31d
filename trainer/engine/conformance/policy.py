"""What `policy` owes; it never asks what its networks look like.

Legend: T steps, N slots, B rows, P parameters of a distribution over actions, * the shape of an observation.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial, wraps
from typing import Any

import torch
from torch import Generator, Tensor, nn

from trainer.engine.conformance.agent import (
    blueprint,
    decided,
    judged_once,
    judged_steps,
    made,
    measured,
    observed_steps,
    situation,
    starts_of_steps,
)
from trainer.engine.conformance.batches import SLOTS, STEPS, observed
from trainer.engine.conformance.chance import drawn_by
from trainer.engine.conformance.clause import Clause, Contract, Findings
from trainer.engine.conformance.compare import difference
from trainer.engine.conformance.everywhere import keeps, not_finite, not_shaped, repeats, runs
from trainer.envs.interface import DiscreteActions, Spaces
from trainer.pipeline.steps import Function
from trainer.policies.actor_critic import Decision, Judgement

METHODS = ("act", "value", "log_prob", "entropy", "initial_state", "observe")
TOLERANCE = 1e-5

PolicyClause = Callable[[Any, Spaces], Findings]
"""A clause about the policy that the op made for an agent that sees and does this."""


def returns_a_module(op: Function, worlds: Mapping[str, Spaces]) -> Findings:
    """It returns a torch.nn.Module with the methods of a Policy and with parameters."""
    for name, spaces in worlds.items():
        policy = made(op, spaces)
        if not isinstance(policy, nn.Module):
            yield f"it returns {type(policy).__name__} ({name})"
        missing = [method for method in METHODS if not callable(getattr(policy, method, None))]
        if missing:
            yield f"it has no {', '.join(missing)} ({name})"
        if not list(policy.parameters()):
            yield f"it has no parameters: assign them as nn.Parameter or inside modules ({name})"


def has_initial_state(policy: Any, spaces: Spaces) -> Findings:
    """The initial state has shape (S, N, H), and act and judging hand on one of the same shape."""
    state = policy.initial_state(SLOTS)
    if state.ndim != 3 or state.shape[1] != SLOTS:
        yield f"it has shape {tuple(state.shape)}, N is {SLOTS}"
    yield from not_shaped(decided(policy, spaces).state, tuple(state.shape), "the state after act")
    yield from not_shaped(judged_steps(policy, spaces).state, tuple(state.shape), "the state after judging")


def decides_for_every_slot(policy: Any, spaces: Spaces) -> Findings:
    """Act gives actions of the action space, log_probs (N,) and, if it remembers, values (N,), greedy or not."""
    for greedy in (False, True):
        decision = decided(policy, spaces, greedy=greedy)
        if not isinstance(decision, Decision):
            yield f"it gives {type(decision).__name__}, not Decision"
        yield from not_shaped(decision.actions, (SLOTS, *spaces.action.shape), "actions")
        yield from _not_in(decision.actions, spaces)
        yield from not_shaped(decision.log_probs, (SLOTS,), "log_probs")
        yield from _values_of_act(decision, policy)


def _values_of_act(decision: Decision, policy: Any) -> Findings:
    if decision.values is not None:
        yield from not_shaped(decision.values, (SLOTS,), "values")
    elif len(policy.initial_state(SLOTS)):
        yield "it remembers, and gives no values"


def judges_every_step(policy: Any, spaces: Spaces) -> Findings:
    """Judging T x N observations gives parameters (T, N, P) and values (T, N)."""
    judged = judged_steps(policy, spaces)
    if not isinstance(judged, Judgement):
        yield f"it gives {type(judged).__name__}, not Judgement"
    yield from not_shaped(judged.parameters, (STEPS, SLOTS, judged.parameters.shape[-1]), "parameters")
    yield from not_shaped(judged.values, (STEPS, SLOTS), "values")


def is_finite(policy: Any, spaces: Spaces) -> Findings:
    """Log_probs and entropies of rows (B,), and values, are finite."""
    log_probs, entropies, values = measured(policy, spaces)
    rows = (STEPS * SLOTS,)
    for name, numbers in {"log_prob": log_probs, "entropy": entropies}.items():
        yield from not_shaped(numbers, rows, name)
        yield from not_finite(numbers, name)
    yield from not_finite(values, "values")


def decides_by_its_judgement(policy: Any, spaces: Spaces) -> Findings:
    """The log_probs of act, and the values if it gives them, are those of the judged parameters."""
    decision, judged = decided(policy, spaces), judged_once(policy, spaces)
    again = policy.log_prob(judged.parameters[0], decision.actions)
    yield from _apart(decision.log_probs, again, "log_probs")
    if decision.values is not None:
        yield from _apart(decision.values, judged.values[0], "values")


def values_as_it_judges(policy: Any, spaces: Spaces) -> Findings:
    """Value gives the values (N,) that it judges."""
    observations, state, starts = situation(policy, spaces)
    values = policy.value(observations, state, starts)
    yield from not_shaped(values, (SLOTS,), "value")
    yield from _apart(values, judged_once(policy, spaces).values[0], "values")


def acts_without_gradients(policy: Any, spaces: Spaces) -> Findings:
    """Act and value carry no gradient."""
    decision = decided(policy, spaces)
    tensors = {name: getattr(decision, name) for name in ("actions", "log_probs", "values", "state")}
    for name, tensor in (tensors | {"value": policy.value(*situation(policy, spaces))}).items():
        if tensor is not None and tensor.requires_grad:
            yield f"{name} requires a gradient: put torch.no_grad() around it"


def draws_from_its_generator(policy: Any, spaces: Spaces) -> Findings:
    """Equally seeded generators make act decide equally, and it draws from nothing else."""
    yield from drawn_by(lambda: decided(policy, spaces))
    found = difference(decided(policy, spaces), decided(policy, spaces), "decision")
    if found:
        yield found


def judges_as_it_acts(policy: Any, spaces: Spaces) -> Findings:
    """Steps judged at once, T of them, are judged as they are one after the other."""
    observations, starts, state = observed_steps(spaces), starts_of_steps(), policy.initial_state(SLOTS)
    at_once = policy(observations, state, starts)
    for t in range(STEPS):
        alone = policy(observations[t : t + 1], state, starts[t : t + 1])
        state = alone.state
        yield from _apart(alone.parameters[0], at_once.parameters[t], f"parameters of step {t}")
        yield from _apart(alone.values[0], at_once.values[t], f"values of step {t}")


def judges_shuffled_steps(policy: Any, spaces: Spaces) -> Findings:
    """Without memory (S = 0) it judges (1, B) shuffled steps as it does in order, whatever the state's N."""
    state = policy.initial_state(SLOTS)
    if len(state) == 0:
        shuffled = torch.randperm(STEPS * SLOTS, generator=Generator().manual_seed(0))
        observations, starts = (
            part.flatten(0, 1)[shuffled].unsqueeze(0) for part in (observed_steps(spaces), starts_of_steps())
        )
        mixed, ordered = policy(observations, state, starts), judged_steps(policy, spaces)
        yield from _apart(mixed.parameters[0], ordered.parameters.flatten(0, 1)[shuffled], "parameters")
        yield from _apart(mixed.values[0], ordered.values.flatten()[shuffled], "values")


def forgets_at_a_start(policy: Any, spaces: Spaces) -> Findings:
    """What was before the start of an episode changes nothing in it."""
    other = torch.cat([observed(spaces.observation, 2, SLOTS, seed=7), observed_steps(spaces)[2:]])
    state = policy.initial_state(SLOTS)
    one, two = policy(observed_steps(spaces), state, starts_of_steps()), policy(other, state, starts_of_steps())
    yield from _apart(one.parameters[2:], two.parameters[2:], "parameters after the start")
    yield from _apart(one.values[2:], two.values[2:], "values after the start")


def learns_everywhere(policy: Any, spaces: Spaces) -> Findings:
    """Finite gradients of log_probs, entropies and values reach the parameters."""
    for name, measure in zip(("log_prob", "entropy", "values"), measured(policy, spaces), strict=True):
        weights = [weight for weight in policy.parameters() if weight.requires_grad]
        if not measure.requires_grad:
            yield f"{name} carries no gradient"
        found = torch.autograd.grad(measure.sum(), weights, retain_graph=True, allow_unused=True)
        gradients = [gradient for gradient in found if gradient is not None]
        # The entropy of a distribution may be given; that of what is learned may not.
        if name != "entropy" and not any(gradient.any() for gradient in gradients):
            yield f"the gradient of {name} is 0 for every parameter"
        for gradient in gradients:
            yield from not_finite(gradient, f"the gradient of {name}")


def observes_without_learning(policy: Any, spaces: Spaces) -> Findings:
    """Observe takes observations (B, *) and leaves the parameters as they are."""
    before = deepcopy(dict(policy.named_parameters()))
    policy.observe(observed(spaces.observation, 5))
    found = difference(before, dict(policy.named_parameters()), "parameters")
    if found:
        yield found


def is_its_state_dict(op: Function, worlds: Mapping[str, Spaces]) -> Findings:
    """A policy of other weights that loads its state_dict judges as it does."""
    for name, spaces in worlds.items():
        policy = made(op, spaces)
        policy.observe(observed(spaces.observation, 5))
        other = op(blueprint(spaces))
        other.load_state_dict(policy.state_dict())
        one, two = judged_steps(policy, spaces), judged_steps(other, spaces)
        for part in ("parameters", "values"):
            for found in _apart(getattr(one, part), getattr(two, part), part):
                yield f"{found}: is all that it knows in parameters and buffers? ({name})"


def contract(worlds: Mapping[str, Spaces]) -> Contract:
    """The contract for agents that see and do this."""
    trials = {name: lambda op, spaces=spaces: _weights(made(op, spaces)) for name, spaces in worlds.items()}
    batches = {name: partial(blueprint, spaces) for name, spaces in worlds.items()}
    return Contract(
        premises=(partial(runs, trials=trials), partial(returns_a_module, worlds=worlds)),
        clauses=(
            partial(repeats, trials=trials),
            partial(keeps, batches=batches),
            *(_in_each(clause, worlds) for clause in _OF_THE_POLICY),
            partial(is_its_state_dict, worlds=worlds),
        ),
    )


_OF_THE_POLICY: tuple[PolicyClause, ...] = (
    has_initial_state,
    decides_for_every_slot,
    judges_every_step,
    is_finite,
    decides_by_its_judgement,
    values_as_it_judges,
    acts_without_gradients,
    draws_from_its_generator,
    judges_as_it_acts,
    judges_shuffled_steps,
    forgets_at_a_start,
    learns_everywhere,
    observes_without_learning,
)


def _in_each(clause: PolicyClause, worlds: Mapping[str, Spaces]) -> Clause:
    @wraps(clause)
    def in_each(op: Function) -> Findings:
        for name, spaces in worlds.items():
            for found in clause(made(op, spaces), spaces):
                yield f"{found} ({name})"

    return in_each


def _weights(policy: Any) -> Any:
    return dict(policy.state_dict()) if isinstance(policy, nn.Module) else None


def _not_in(actions: Tensor, spaces: Spaces) -> Findings:
    if isinstance(spaces.action, DiscreteActions):
        if actions.is_floating_point() or actions.is_complex() or actions.dtype == torch.bool:
            yield f"actions are {actions.dtype}; choices are integers"
        if actions.min() < 0 or actions.max() >= spaces.action.n:
            yield f"actions reach from {actions.min()} to {actions.max()}, choices from 0 to {spaces.action.n - 1}"
    else:
        yield from not_finite(actions, "actions")


def _apart(one: Tensor, other: Tensor, name: str) -> Findings:
    if one.shape != other.shape:
        yield f"{name} have shapes {tuple(one.shape)} and {tuple(other.shape)}"
    elif not torch.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE):
        yield f"{name} differ by up to {(one - other).abs().max().item():g}"
