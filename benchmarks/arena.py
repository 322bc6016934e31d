"""How near training on the arena comes to the sum of its parts, each measured alone; what workers and overlap bring.

The ceiling is `1 / (1 / environments + 1 / forward + epochs / update)` agent-steps a second. All take turns, so that
other processes' work hits them alike.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import cast

import numpy as np

from benchmarks.arena_overlap import learning_with_overlap
from benchmarks.arena_peers import against_peers
from benchmarks.arena_sizes import AGENTS, MINIBATCHES, STEPS, arena_fields
from benchmarks.digests import Clocked
from benchmarks.learning import Quiet
from benchmarks.loops import epoch
from benchmarks.results import table
from benchmarks.spread import Spread
from trainer.contract import RunDirectory, TrainAndEvalSpec, begin_attempt, begin_run
from trainer.contract.declared import declared_ops
from trainer.engine.job import TrainJob
from trainer.engine.rollout import Collector
from trainer.engine.tracking.companion import Untracked
from trainer.engine.training import Training
from trainer.engine.witness import Witness
from trainer.entry import run_stage

MOVES = 5
UPDATES, ROUNDS = 8, 4
SIZES = (4, 8)
WAYS = {
    "one worker": {},
    "one worker, overlap": {"overlap": True},
    "two workers": {"num_workers": 2},
    "two workers, overlap": {"num_workers": 2, "overlap": True},
}
PARTS = ("environments", "forward", "update, one epoch")
COLLECTING, CEILING, TRAINING, SHARE = "collecting", "ceiling", "training", "training / ceiling"

Rates = dict[str, list[float]]


def arena() -> str:
    """The parts and the ceiling at each size, then workers and overlap at each, then learning with overlap."""
    rows = [row for num_envs in SIZES for row in _against_ceiling(num_envs)]
    workers = "\n\n".join(_workers(num_envs) for num_envs in SIZES)
    header = ("agents", "what", "agent-steps/s, median (quartiles)", "at least")
    return (
        f"{AGENTS} agents an arena, {STEPS} steps, {_spec(1).trainer.ppo.update_epochs} epochs of {MINIBATCHES} "
        f"minibatches, two layers of 128, one thread. Collecting is environments and forward, step by step.\n\n"
        f"{table(header, rows)}\n\n{workers}\n\n"
        f"{learning_with_overlap()}\n\n"
        f"{against_peers(SIZES)}"
    )


def _against_ceiling(num_envs: int) -> list[tuple[str, ...]]:
    rates: Rates = {name: [] for name in (*PARTS, COLLECTING, CEILING, TRAINING)}
    spec = _spec(num_envs)
    with _recorded(spec) as training:
        parts = dict(zip(PARTS, (_step, _act, _learn), strict=True))
        for _ in range(ROUNDS):
            for name, part in parts.items():
                rates[name].append(_rate(spec, partial(part, training)))
            rates[COLLECTING].append(_rate(spec, partial(_collect, training)))
            env, forward, update = (rates[name][-1] for name in PARTS)
            rates[CEILING].append(1 / (1 / env + 1 / forward + spec.trainer.ppo.update_epochs / update))
            rates[TRAINING].append(_train(spec))
    agents = str(spec.trainer.num_slots)
    shares = Spread.of([one / most for one, most in zip(rates[TRAINING], rates[CEILING], strict=True)])
    rows = [(agents, name, Spread.of(found).shown(1, 0), "") for name, found in rates.items()]
    return [*rows, (agents, SHARE, f"{shares.shown(100, 0)} %", "75 %")]


def _workers(num_envs: int) -> str:
    """Stepping and collecting with one worker and with two, and whole trainings."""
    one, two = _spec(num_envs), _spec(num_envs, num_workers=2)
    rates: Rates = {}
    with _recorded(one) as alone, _recorded(two) as shared:
        for _ in range(ROUNDS):
            for name, work in (("stepping", _step), ("collecting", _collect)):
                for count, training in (("one worker", alone), ("two workers", shared)):
                    rates.setdefault(f"{name}, {count}", []).append(_rate(one, partial(work, training)))
            for name, change in WAYS.items():
                rates.setdefault(f"training, {name}", []).append(_train(_spec(num_envs, **change)))
    rows = []
    for name, found in rates.items():
        what = name.partition(",")[0]
        base = next(each for each in rates if each.startswith(what))
        ratio = median(one / other for one, other in zip(found, rates[base], strict=True))
        rows.append((name, Spread.of(found).shown(1, 0), f"{ratio:.2f}"))
    header = (f"{one.trainer.num_slots} agents", "agent-steps/s, median (quartiles)", "times the first of its kind")
    return f"{table(header, rows)}\n\n{_at_most(rates)}"


def _at_most(rates: Rates) -> str:
    """What a second process can bring without overlap: it shares the stepping only (Amdahl 1967)."""
    share = median(rates["training, one worker"]) / median(rates["stepping, one worker"])
    return (
        f"Stepping is {share:.0%} of a training with one worker. Halved and nothing else, training is "
        f"{1 / (1 - share / 2):.2f} times as fast: that is the most that two workers bring without overlap. "
        "With overlap the trainer's process learns, workers are apart from it: two make three processes on two cores."
    )


def _spec(num_envs: int, **trainer: object) -> TrainAndEvalSpec:
    return TrainAndEvalSpec.accept(arena_fields(num_envs, UPDATES, **trainer))


@contextmanager
def _recorded(spec: TrainAndEvalSpec) -> Iterator[Training]:
    """A training with a rollout from the midst of episodes, when agents carry goods, that knows what it aims at."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        run = RunDirectory(Path(folder) / "run")
        witness = Witness(run, Quiet(), Untracked(), begin_attempt(run, "train", None))
        training = TrainJob(spec, run, witness, stack).begin()
        training.with_policy(training.blueprint().actor_critic()).schedule()
        training.collection()
        rollouts = [training.collector.collect(training.policy, STEPS) for _ in range(UPDATES // 2)]
        training.collected(rollouts[-1])
        ops = declared_ops(spec.trainer.optimizer)
        training.paid(ops["compute_reward"](training.earned()))
        training.estimated(ops["compute_advantage"](training.experience()))
        yield training


def _rate(spec: TrainAndEvalSpec, work: Callable[[], object]) -> float:
    """Agent-steps a second, where the work is a batch of them."""
    start = time.perf_counter()
    work()
    return spec.trainer.batch_size / (time.perf_counter() - start)


def _step(training: Training) -> None:
    envs = cast("Collector", training.collector).envs
    for actions in np.random.default_rng(0).integers(MOVES, size=(STEPS, envs.num_slots), dtype=np.int32):
        envs.step(actions)


def _act(training: Training) -> None:
    rollout, generator = training.rollout, training.collector.generator
    for seen, starts in zip(rollout.observations, rollout.starts, strict=True):
        training.policy.act(seen, rollout.state, starts, generator)


def _learn(training: Training) -> None:
    epoch(training.study(), declared_ops(training.config.optimizer), MINIBATCHES)


def _collect(training: Training) -> None:
    training.collector.collect(training.policy, STEPS)


def _train(spec: TrainAndEvalSpec) -> float:
    """Agent-steps a second of a whole training, its first update left out: it holds the start."""
    clock = Clocked()
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "run")
        begin_run(spec, run)
        run_stage("train", run, clock)
    return spec.trainer.batch_size * len(clock.seconds) / sum(clock.seconds)
