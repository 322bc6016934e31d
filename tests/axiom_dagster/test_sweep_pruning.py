"""Successive halving against references that share no line with it: the papers' algorithms, and Optuna's pruner."""

import math
from collections.abc import Iterator

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from axiom_dagster.sweeps.pruning import bracket, goes_on, rungs
from tests.axiom_dagster.curves import CURVES, RUNGS
from trainer.contract.sweep_config import PrunerConfig


def asha(factor: int = 3, kind: str = "asha", fewest: int = 2048) -> PrunerConfig:
    return PrunerConfig(type=kind, min_agent_steps=fewest, reduction_factor=factor)


def ours(factor: int, *, maximize: bool = True) -> list[int]:
    """How many rungs each trial passes."""
    seen: dict[int, list[float]] = {}
    passed = []
    for curve in CURVES:
        count = 0
        for value in curve:
            others = seen.setdefault(count, [])
            on = goes_on(value, others, factor, maximize=maximize)
            others.append(value)
            if not on:
                break
            count += 1
        passed.append(count)
    return passed


def paper(factor: int, *, maximize: bool = True) -> list[int]:
    """ASHA's `get_job` (Algorithm 2) asked about the one trial that is at hand: is it in `top_k(rung k, |rung k|/η)`?

    Where |rung k|/η is below one the paper would suspend all; a training that streams cannot be, so the best goes on.
    """
    rung: list[list[tuple[float, int]]] = [[] for _ in range(len(RUNGS))]
    reached = []
    for name, curve in enumerate(CURVES):
        k = 0
        while k < len(curve):
            rung[k].append((curve[k], name))
            candidates = sorted(rung[k], key=lambda pair: pair[0], reverse=maximize)
            top = candidates[: max(math.floor(len(rung[k]) / factor), 1)]
            if curve[k] not in [value for value, _ in top]:
                break
            k += 1
        reached.append(k)
    return reached


def by_optuna(factor: int, *, maximize: bool = True) -> list[int]:
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=factor)
    study = optuna.create_study(direction="maximize" if maximize else "minimize", pruner=pruner)
    reached = []
    for curve in CURVES:
        trial, count = study.ask(), 0
        for place, value in enumerate(curve):
            trial.report(value, factor**place)
            if trial.should_prune():
                break
            count += 1
        pruned = count < len(curve)
        study.tell(trial, None if pruned else curve[-1], optuna.trial.TrialState.PRUNED if pruned else None)
        reached.append(count)
    return reached


@pytest.mark.parametrize("maximize", [True, False])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_asha_decides_on_recorded_curves_as_the_paper_and_as_optuna(factor: int, maximize: bool) -> None:
    assert ours(factor, maximize=maximize) == paper(factor, maximize=maximize)
    assert ours(factor, maximize=maximize) == by_optuna(factor, maximize=maximize)


@given(st.lists(st.integers(-3, 3), max_size=12), st.integers(-3, 3), st.integers(2, 5), st.booleans())
def test_what_goes_on_is_among_the_best_of_all_that_came(
    others: list[int], value: int, factor: int, maximize: bool
) -> None:
    everyone = sorted([*others, value], reverse=maximize)
    best = everyone[: max(1, len(everyone) // factor)]
    assert goes_on(value, others, factor, maximize=maximize) == (value in best)


def hyperband_of_the_paper(largest: int, factor: int) -> Iterator[tuple[int, int, list[int]]]:
    """Algorithm 1: for each bracket s its number of configurations and the resources of its rungs."""
    s_max = math.floor(math.log(largest, factor) + 1e-9)
    for s in range(s_max, -1, -1):
        n = math.ceil((s_max + 1) / largest * largest * factor**s / (s + 1))
        yield s, n, [round(largest * factor**-s * factor**i) for i in range(s + 1)]


@pytest.mark.parametrize(("largest", "factor"), [(81, 3), (16, 4), (64, 2)])
def test_hyperband_has_the_papers_brackets_sizes_and_rungs(largest: int, factor: int) -> None:
    pruner = asha(factor, "hyperband", fewest=100)
    trial = 0
    for _, size, resources in hyperband_of_the_paper(largest, factor):
        for number in range(trial, trial + size):
            assert rungs(pruner, 100 * largest, number) == tuple(100 * each for each in resources if each < largest)
        trial += size
    assert rungs(pruner, 100 * largest, trial) == rungs(pruner, 100 * largest, 0)  # and in turns


def test_hyperbands_sizes_are_those_of_the_papers_table() -> None:
    # Table 1 of the paper, R = 81 and η = 3: 81, 34, 15, 8 and 5 configurations (the paper rounds 33.75 up to 34).
    brackets = [bracket(asha(3, "hyperband", 1), 81, trial) for trial in range(143)]
    assert [brackets.count(each) for each in range(5)] == [81, 34, 15, 8, 5]


def test_asha_looks_at_every_rung_below_the_whole_and_none_at_nothing() -> None:
    assert rungs(asha(), 49152, 7) == (2048, 6144, 18432)
    assert rungs(asha(), 18432, 7) == (2048, 6144)
    assert rungs(asha(), 2048, 7) == ()
    assert rungs(asha(kind="none"), 49152, 7) == ()
