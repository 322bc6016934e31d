"""Tries the op of any slot before it is used, and refuses one that breaks its contract; it never changes an op."""

from collections.abc import Mapping

import torch

from trainer.engine.conformance import advantage, curriculum, gradients, loss, policy, reward, rollout, steps
from trainer.engine.conformance.batches import WORLDS
from trainer.engine.conformance.chance import borrowed_chance
from trainer.engine.conformance.clause import Contract, Verdict
from trainer.envs.interface import Spaces
from trainer.pipeline.identity import label
from trainer.pipeline.steps import Function
from trainer.plain.refusal import Problem, Refused, nearest

STAGES = ("train", "evaluate", "analyze")
"""Whole stages can be swapped too, but no small batch can tell what they do: nothing is owed here."""


def _contracts(worlds: Mapping[str, Spaces]) -> Mapping[str, Contract]:
    return {
        "policy": policy.contract(worlds),
        "curriculum": curriculum.CONTRACT,
        "rollout": rollout.CONTRACT,
        "compute_reward": reward.contract(worlds),
        "compute_advantage": advantage.CONTRACT,
        "compute_loss": loss.CONTRACT,
        "optimizer": steps.OPTIMIZER,
        "clip_gradients": gradients.CONTRACT,
        "adam_step": steps.ADAM_STEP,
    }


SLOTS = tuple(_contracts(WORLDS))
"""The slots that have a contract, in the order in which training comes to them."""


def clauses(slot: str) -> tuple[str, ...]:
    """The contract of a slot, a sentence for each clause; none for a whole stage. Nothing is run."""
    contract = _contract(slot, WORLDS)
    return () if contract is None else contract.sentences()


def conform(slot: str, op: Function, spaces: Spaces | None = None) -> tuple[Verdict, ...]:
    """Try the op on small fixed batches: a verdict for each clause of its slot; none for a whole stage.

    Once it does not run, or returns another kind of thing, no further clause is looked at. What the op raises breaks a
    clause and goes no further; the process's random numbers stay where they are. `spaces` says what agents see and do
    in the batches of `policy` and `compute_reward`; none: small vectors, answered by choices and then by boxes.

    Raises `Refused` if there is no such slot.
    """
    contract = _contract(slot, WORLDS if spaces is None else {"these spaces": spaces})
    if contract is None:
        return ()
    with borrowed_chance(), torch.enable_grad():
        return tuple(contract.examine(op))


def require_conformance(path: str, slot: str, op: Function, spaces: Spaces | None = None) -> None:
    """Refuse the op that stands at `path` if it breaks its slot's contract: one problem for each broken clause."""
    broken = [verdict for verdict in conform(slot, op, spaces) if not verdict.held]
    if broken:
        whole = f"breaks the contract of {slot}"
        raise Refused(Problem(path, label(op), f"{whole}: {verdict.clause}: {verdict.why}") for verdict in broken)


def _contract(slot: str, worlds: Mapping[str, Spaces]) -> Contract | None:
    if slot in STAGES:
        return None
    contracts = _contracts(worlds)
    if slot not in contracts:
        raise Refused.one("slot", slot, f"no such slot; {nearest(slot, (*contracts, *STAGES))}")
    return contracts[slot]
