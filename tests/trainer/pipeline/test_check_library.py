import math
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from trainer.pipeline import Check, CheckFailed, Pipeline, grad_band, in_range, no_nan, prob_simplex, required_keys

NAN = math.nan
MAKERS: dict[str, Callable[[Any], Any]] = {
    "list": lambda x: x,
    "numpy": lambda x: np.array(x, dtype=np.float32),
    "torch": lambda x: torch.tensor(x, dtype=torch.float32),
}
of_every_kind = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


@dataclass
class Rollout:
    rewards: Any
    note: str = "nan"


@of_every_kind
def test_no_nan_finds_one_at_any_depth(make: Callable[[Any], Any]) -> None:
    holds = no_nan().predicate
    for clean in ([1.0, 2.0], [[0.0], [math.inf]]):
        assert holds(make(clean)) and holds({"x": [make(clean)]}) and holds(Rollout(make(clean)))
    assert not holds(make([[1.0], [NAN]]))
    assert not holds({"a": 1.0, "b": (0, make([NAN, 1.0]))})
    assert not holds(Rollout(make([NAN])))


def test_no_nan_reads_single_numbers_and_lets_other_things_be() -> None:
    holds = no_nan().predicate
    assert all(holds(x) for x in (1, 1.0, "nan", None, np.float32(2), torch.tensor(1), np.arange(3), object()))
    assert not any(holds(x) for x in (NAN, complex(0, NAN), np.float32(NAN), np.float64(NAN), torch.tensor(NAN)))


def test_required_keys_takes_keys_attributes_and_paths() -> None:
    holds = required_keys("loss", "stats.mean").predicate
    assert holds({"loss": None, "stats": {"mean": 0}})
    assert holds(SimpleNamespace(loss=1, stats={"mean": 1}))
    with pytest.raises(KeyError, match="has no field 'mean'"):
        holds({"loss": 1, "stats": {}})


@of_every_kind
def test_prob_simplex_wants_no_negative_and_a_sum_of_one_on_the_last_axis(make: Callable[[Any], Any]) -> None:
    holds = prob_simplex().predicate
    assert holds(make([0.25, 0.75])) and holds(make([[0.1, 0.9], [1.0, 0.0]]))
    assert not holds(make([0.5, 0.6]))
    assert not holds(make([-0.5, 1.5]))
    assert not holds(make([[0.5, 0.5], [0.5, 0.4]]))
    assert not holds(make([NAN, 1.0]))
    assert prob_simplex(tolerance=0.2).predicate(make([0.5, 0.6]))


def test_prob_simplex_reads_a_mapping_of_probabilities_and_a_list_of_scalars() -> None:
    assert prob_simplex().predicate({"left": 0.5, "right": 0.5})
    assert prob_simplex().predicate([np.float64(0.5), np.float64(0.5)])
    assert not prob_simplex().predicate([])


def test_grad_band_takes_a_norm_arrays_parameters_and_modules() -> None:
    holds = grad_band(4.9, 5.1).predicate
    layer = torch.nn.Linear(2, 1, bias=False)
    layer.weight.grad = torch.tensor([[3.0, 4.0]])
    assert holds(5.0) and holds([np.array([3.0]), np.array([4.0])]) and holds({"w": torch.tensor([3.0, 4.0])})
    assert holds(layer) and holds(list(layer.parameters())) and holds(torch.tensor(5.0))
    assert not holds(4.0) and not holds(6.0) and not holds(NAN)


def test_a_parameter_without_a_gradient_counts_as_zero() -> None:
    layer = torch.nn.Linear(2, 1)
    assert not grad_band(0.1, 10).predicate(layer)
    assert grad_band(0.0, 10).predicate(layer)


@of_every_kind
def test_in_range_includes_its_bounds_and_excludes_nan(make: Callable[[Any], Any]) -> None:
    holds = in_range(0, 1).predicate
    assert holds(make([0.0, 0.5, 1.0])) and holds(0.5) and holds({"a": 0, "b": make([1.0])})
    assert not holds(make([0.0, 1.5])) and not holds(make([[-0.1]])) and not holds(make([NAN])) and not holds(NAN)


def test_of_chooses_a_field_and_names_the_check_after_it() -> None:
    check = in_range(0, 1, of="metrics.entropy")
    assert check.name == "in_range:metrics.entropy"
    checked = Pipeline("checked").through(checks=[check])
    checked.run({"metrics": SimpleNamespace(entropy=0.5)})
    with pytest.raises(CheckFailed, match=r"at_start: check 'in_range:metrics.entropy' failed on 2"):
        checked.run({"metrics": {"entropy": 2}})


@pytest.mark.parametrize("make", [no_nan, lambda **o: in_range(0, 1, **o), lambda **o: required_keys("a", **o)])
def test_every_check_takes_the_options_of_a_check(make: Callable[..., Check]) -> None:
    check = make(level="WARN", sample_every=5, n_of_m=(2, 3))
    assert (check.level, check.sample_every, check.n_of_m) == ("WARN", 5, (2, 3))
