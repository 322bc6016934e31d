"""What a step of the environments, a minibatch and an update cost, counted: calls and bytes, never time.

The counts are the same on every machine with the same Python, torch and numpy. `python -m benchmarks costs` shows them.
"""

import gc
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.learning import AGENT, Quiet
from benchmarks.loops import epoch, update
from benchmarks.results import table
from trainer.contract import RunDirectory, TrainAndEvalSpec, begin_attempt
from trainer.contract.declared import declared_ops
from trainer.engine.job import TrainJob
from trainer.engine.tracking.companion import Untracked
from trainer.engine.training import Training
from trainer.engine.witness import Witness

STEP, MINIBATCH, UPDATE = "a step of all environments", "a minibatch", "an update"
STEPS, MINIBATCHES = 128, 4
CARTPOLE = {"num_envs": 8, "curriculum": {"env": {"id": "CartPole-v1"}}}
SMALL_ARENA = {"num_agents": 4, "width": 11, "height": 11, "num_mines": 4, "num_generators": 2, "num_altars": 2}
ARENA = {"num_envs": 2, "curriculum": {"env": {"arena": SMALL_ARENA}}}
ENVIRONMENTS: Mapping[str, Mapping[str, Any]] = {"CartPole-v1": CARTPOLE, "arena": ARENA}


@dataclass(frozen=True)
class Cost:
    """Of a step of all environments, of a minibatch or of a whole update; bytes are for each of its agent-steps.

    `calls`: functions entered, of Python and of C. `operations`: those that torch was asked for. `made`: bytes of new
    memory that their results took. `held`: the most bytes that Python and numpy held at once beyond what they held
    before, a whole rollout, epoch or update long.
    """

    calls: float
    operations: float
    made: float
    held: float


class _Operations(TorchDispatchMode):
    """Counts what torch is asked for, and the memory that is new in the results."""

    def __init__(self) -> None:
        super().__init__()
        self.count = self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do it, and count it."""
        result = func(*args, **(kwargs or {}))
        given = {_memory(tensor) for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, torch.Tensor)}
        new = [tensor for tensor in tree_leaves(result) if isinstance(tensor, torch.Tensor)]
        self.count += 1
        self.bytes += sum(tensor.nbytes for tensor in new if _memory(tensor) not in given)
        return result


def _memory(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def costs() -> str:
    """The table."""
    rows = [_row(f"{name}: {what}", cost) for name in ENVIRONMENTS for what, cost in costs_of(name).items()]
    return table(("what", "calls", "torch operations", "bytes made by torch", "bytes held at most"), rows)


def _row(what: str, cost: Cost) -> tuple[str, ...]:
    return (what, f"{cost.calls:,.1f}", f"{cost.operations:,.2f}", f"{cost.made:,.0f}", f"{cost.held:,.0f}")


def costs_of(environment: str) -> dict[str, Cost]:
    """Each part's in the updates that follow the first: the policy acts in a step; an epoch begins with a minibatch."""
    with _training(environment) as training:
        ops, agent_steps = declared_ops(training.config.optimizer), training.config.batch_size
        update(training, ops)
        return {
            STEP: _cost(lambda: training.collection().collect(), STEPS, agent_steps),
            MINIBATCH: _cost(lambda: epoch(training.study(), ops, MINIBATCHES), MINIBATCHES, agent_steps),
            UPDATE: _cost(lambda: update(training, ops), 1, agent_steps),
        }


@contextmanager
def _training(environment: str) -> Iterator[Training]:
    """A training whose checkpoints are far away."""
    spec = _spec(environment)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        run = RunDirectory(Path(folder) / "run")
        witness = Witness(run, Quiet(), Untracked(), begin_attempt(run, "train", None))
        training = TrainJob(spec, run, witness, stack).begin()
        yield training.with_policy(training.blueprint().actor_critic())


def _spec(environment: str) -> TrainAndEvalSpec:
    settings = ENVIRONMENTS[environment]
    agents = settings["num_envs"] * settings["curriculum"]["env"].get("arena", {}).get("num_agents", 1)
    sizes = {"batch_size": agents * STEPS, "minibatch_size": agents * STEPS // MINIBATCHES}
    trainer = {**settings, **sizes, "total_timesteps": 100 * agents * STEPS, "checkpoint": {"interval_updates": 100}}
    return TrainAndEvalSpec.accept({"trainer": trainer, "agent": AGENT, "wandb": {"mode": "disabled"}})


def _cost(work: Callable[[], Any], times: int, agent_steps: int) -> Cost:
    operations = _counted(work)
    return Cost(
        calls=_calls(work) / times,
        operations=operations.count / times,
        made=operations.bytes / agent_steps,
        held=_held(work) / agent_steps,
    )


def _calls(work: Callable[[], Any]) -> int:
    entered = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal entered
        entered += event in ("call", "c_call")

    with _undisturbed():
        sys.setprofile(count)
        try:
            work()
        finally:
            sys.setprofile(None)
    return entered


def _counted(work: Callable[[], Any]) -> _Operations:
    with _Operations() as operations:
        work()
    return operations


def _held(work: Callable[[], Any]) -> int:
    with _undisturbed():
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            work()
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    return most - before


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Without the garbage collector, which comes when it likes and calls whoever wants to know."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
