"""What `adam_step` and `optimizer` owe; it never asks for any one way down, only that it goes down.

Legend: P parameters.
"""

import io
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor

from trainer.engine.conformance.batches import descent, optimizer_step, vector
from trainer.engine.conformance.clause import Clause, Contract, Findings
from trainer.engine.conformance.compare import difference
from trainer.engine.conformance.everywhere import Batches, keeps, not_finite, not_scalar, repeats, runs
from trainer.pipeline.steps import Function

Record = Callable[[Tensor, Tensor, float, dict[str, Tensor]], Any]
"""Makes the op's record from parameters (P,), gradients (P,), a learning rate and the op's state."""

LEARNING_RATE = 0.01
DOWNHILL_STEPS = 20
GRADIENTS = {"gradients that are long": 5.0, "gradients that are short": 0.1, "gradients that are all 0": 0.0}


def walk(op: Function, record: Record, norms: Sequence[float], learning_rate: float = LEARNING_RATE) -> dict[str, Any]:
    """A step along gradients of each norm; parameters, state and the last result afterwards."""
    return _go_on(op, record, {"parameters": vector(1), "state": {}}, range(len(norms)), norms, learning_rate)


def returns_nothing(op: Function) -> Findings:
    """It returns None."""
    found = walk(op, optimizer_step, [5.0])["result"]
    if found is not None:
        yield f"it returns {type(found).__name__}; what it changes, it changes in place"


def returns_the_norm(op: Function) -> Findings:
    """It returns the norm that the gradients had before they were clipped, as a tensor with one number."""
    for name, norm in GRADIENTS.items():
        found = walk(op, descent, [norm])["result"]
        for wrong in not_scalar(found, "the result"):
            yield f"{wrong} ({name})"
        if abs(found.item() - norm) > 1e-4 * norm + 1e-6:
            yield f"it returns {found.item():g}, the norm was {norm:g} ({name})"


def moves_in_place(op: Function, record: Record) -> Findings:
    """Gradients that are not 0 change the parameters, in place."""
    for name, norm in GRADIENTS.items():
        if norm and torch.equal(walk(op, record, [norm])["parameters"], vector(1)):
            yield f"they are as before: change them by sub_, add_ or copy_ ({name})"


def is_finite(op: Function, record: Record) -> Findings:
    """Parameters and state are finite afterwards."""
    for name, norm in GRADIENTS.items():
        done = walk(op, record, [norm, norm])
        tensors = {"the parameters": done["parameters"]} | _tensors(done["state"])
        for part, tensor in tensors.items():
            for found in not_finite(tensor, part):
                yield f"{found} ({name})"


def stands_without_a_learning_rate(op: Function, record: Record) -> Findings:
    """With learning rate 0 the parameters stay as they are."""
    found = walk(op, record, [5.0, 0.1], learning_rate=0.0)["parameters"]
    if not torch.equal(found, vector(1)):
        yield f"they move by up to {(found - vector(1)).abs().max().item():g}"


def remembers_in_tensors(op: Function, record: Record) -> Findings:
    """Its state holds tensors by name and nothing else."""
    for name, value in walk(op, record, [5.0])["state"].items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            yield f"state[{name!r}] is {type(value).__name__}"


def goes_on_from_what_was_saved(op: Function, record: Record) -> Findings:
    """From a state that was saved and loaded it goes on as if it had not been, bit for bit."""
    norms = (5.0, 0.1, 3.0, 2.0)
    through = walk(op, record, norms)
    half = walk(op, record, norms[:2])
    saved = _saved({"parameters": half["parameters"], "state": half["state"]})
    resumed = _go_on(op, record, saved, range(2, 4), norms, LEARNING_RATE)
    found = difference(resumed["parameters"], through["parameters"], "the parameter")
    if found:
        yield f"{found} without saving"


def goes_down(op: Function, record: Record) -> Findings:
    """Twenty steps down a bowl end lower than they began."""
    state: dict[str, Tensor] = {}
    parameters, bottom = vector(1), vector(2)
    before = (parameters - bottom).norm().item()
    for _ in range(DOWNHILL_STEPS):
        op(record(parameters, parameters - bottom, LEARNING_RATE, state))
    after = (parameters - bottom).norm().item()
    # Parameters that never move are for another clause.
    if not after < before and not torch.equal(parameters, vector(1)):
        yield f"the distance to the bottom goes from {before:g} to {after:g}"


def _go_on(
    op: Function, record: Record, start: dict[str, Any], steps: range, norms: Sequence[float], learning_rate: float
) -> dict[str, Any]:
    done: dict[str, Any] = {"result": None} | start
    for step in steps:
        gradients = vector(10 + step, norms[step])
        done["result"] = op(record(done["parameters"], gradients, learning_rate, done["state"]))
    return done


def _saved(state: dict[str, Any]) -> dict[str, Any]:
    """The state as a checkpoint brings it back: each tensor on its own."""
    file = io.BytesIO()
    torch.save(state["state"], file)
    file.seek(0)
    return {"parameters": deepcopy(state["parameters"]), "state": torch.load(file, weights_only=True)}


def _tensors(state: dict[str, Any]) -> dict[str, Tensor]:
    return {f"state[{name!r}]": value for name, value in state.items() if isinstance(value, Tensor)}


def _contract(record: Record, premise: Clause, may_change: tuple[str, ...]) -> Contract:
    trials = {name: partial(walk, record=record, norms=[norm, norm]) for name, norm in GRADIENTS.items()}
    batches: Batches = {
        name: lambda norm=norm: record(vector(1), vector(0, norm), LEARNING_RATE, {})
        for name, norm in GRADIENTS.items()
    }
    own = (
        moves_in_place,
        is_finite,
        stands_without_a_learning_rate,
        remembers_in_tensors,
        goes_on_from_what_was_saved,
        goes_down,
    )
    return Contract(
        premises=(partial(runs, trials=trials), premise),
        clauses=(
            partial(repeats, trials=trials),
            partial(keeps, batches=batches, but=may_change),
            *(partial(clause, record=record) for clause in own),
        ),
    )


ADAM_STEP = _contract(optimizer_step, returns_nothing, ("parameters", "state"))
OPTIMIZER = _contract(descent, returns_the_norm, ("parameters", "gradients", "state"))
