"""Which point of the space is tried next, by Optuna; the same trials before give the same point, in any process."""

from dataclasses import dataclass
from itertools import islice, product
from typing import TYPE_CHECKING, Any

from trainer.contract import digest_of
from trainer.contract.space import Choices, Dimension, number_at

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import Trial

    from trainer.contract.sweep import Sweep


@dataclass(frozen=True)
class Point:
    """What a trial is to be: its values by path, and the trial whose training it goes on with, if any."""

    params: dict[str, Any]
    origin: int | None = None


class Sampling:
    """All trials of a sweep so far, in memory. Trials are asked for one after another."""

    def __init__(self, sweep: "Sweep") -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._sweep = sweep
        self._study = optuna.create_study(direction=sweep.direction)
        self._distributions = distributions(sweep)
        self._trial: Trial | None = None

    def ask(self) -> Point:
        """The values of the next trial, by path. The trial before has ended."""
        number = len(self._study.get_trials(deepcopy=False))
        # A generator anew for each trial: what it draws depends on nothing but the trials before.
        self._study.sampler = _sampler(self._sweep, number)
        if self._sweep.sampler.type == "grid":
            self._study.enqueue_trial(self._grid_point(number))
        self._trial = self._study.ask(self._distributions)
        return Point({path: _value(self._sweep.space[path], drawn) for path, drawn in self._trial.params.items()})

    def report(self, agent_steps: int, value: float) -> None:
        """What the trial of now has reached while it trains."""
        assert self._trial is not None
        self._trial.report(value, agent_steps)

    def tell(self, status: str, value: float | None) -> None:
        """How the trial of now has ended."""
        from optuna.trial import TrialState

        states = {"succeeded": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}
        assert self._trial is not None
        self._study.tell(self._trial, value if status == "succeeded" else None, states[status])

    def _grid_point(self, number: int) -> dict[str, Any]:
        """The point of this number, the last dimension changing fastest; choices by their places."""
        axes = [
            range(len(each.values)) if isinstance(each, Choices) else self._sweep.points(path)
            for path, each in self._sweep.space.items()
        ]
        return dict(zip(self._sweep.space, next(islice(product(*axes), number, None)), strict=True))


def distributions(sweep: "Sweep") -> "dict[str, BaseDistribution]":
    """The space as Optuna knows it; choices are known by their places, since they may be of any type."""
    return {path: _distribution(path, each) for path, each in sweep.space.items()}


def _distribution(path: str, each: Dimension) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(each, Choices):
        return CategoricalDistribution(range(len(each.values)))
    if number_at(path) is int:
        return IntDistribution(int(each.low), int(each.high), log=each.log, step=int(each.step or 1))
    return FloatDistribution(each.low, each.high, log=each.log, step=each.step)


def drawn(each: Dimension, value: Any) -> Any:
    """What Optuna draws for this value: of a choice its place."""
    return each.values.index(value) if isinstance(each, Choices) else value


def _value(each: Dimension, drawn: Any) -> Any:
    return each.values[drawn] if isinstance(each, Choices) else drawn


def _sampler(sweep: "Sweep", number: int) -> "BaseSampler":
    from optuna.samplers import CmaEsSampler, RandomSampler, TPESampler

    config = sweep.sampler
    seed = int(digest_of([config.seed, number]).removeprefix("sha256:")[:8], 16)
    if config.type == "tpe":
        return TPESampler(seed=seed, n_startup_trials=config.startup_trials)
    if config.type == "cma_es":
        return CmaEsSampler(seed=seed, n_startup_trials=config.startup_trials, warn_independent_sampling=False)
    return RandomSampler(seed=seed)
