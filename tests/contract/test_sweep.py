"""What a sweep's declaration says, and all that is refused in it before there is any run."""

from pathlib import Path
from typing import Any

import pytest

from trainer.contract import Refused, load_experiment
from trainer.contract.space import Range, number_at
from trainer.contract.sweep import Sweep, load_sweep, save_sweep

RATE, EPOCHS = "trainer.optimizer.learning_rate", "trainer.ppo.update_epochs"
KIND, ADVANTAGE = "trainer.optimizer.type", "train.compute_advantage"
GOOD: dict[str, Any] = {
    "name": "s",
    "base": "quick",
    "budget": {"runs": 3},
    "space": {RATE: {"low": 1e-4, "high": 1e-2, "log": True}, KIND: ["adam", "sgd"]},
}
TWO = {"low": 1, "high": 2}


def refusal(**changed: Any) -> str:
    with pytest.raises(Refused) as refused:
        Sweep.accept({**GOOD, **changed})
    return str(refused.value)


def test_a_trials_spec_is_the_base_with_its_values_and_the_sweeps_name() -> None:
    sweep = Sweep.accept({**GOOD, "space": {RATE: TWO, ADVANTAGE: ["gae", "vtrace"]}})
    spec = sweep.spec({RATE: 1.5, ADVANTAGE: "vtrace"})
    assert (spec.name, spec.trainer.optimizer.learning_rate) == ("s", 1.5)
    assert list(spec.overrides["train.compute_advantage"]) == ["vtrace"]
    assert spec.trainer.total_timesteps == sweep.base.trainer.total_timesteps


def test_a_sweep_survives_its_file(tmp_path: Path) -> None:
    sweep = Sweep.accept(GOOD)
    assert load_sweep(save_sweep(sweep, tmp_path / "sweep.yaml")) == sweep


def test_a_sweeps_file_is_no_experiment_and_says_what_runs_it(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="is a sweep; run it with `axiom sweep`"):
        load_experiment(save_sweep(Sweep.accept(GOOD), tmp_path / "sweep.yaml"))


def test_the_points_of_a_range_are_its_steps_or_whole_numbers() -> None:
    assert Range(low=0.1, high=0.4, step=0.1).points(float) == (0.1, 0.2, 0.3, 0.4)
    assert Range(low=1, high=4).points(int) == (1, 2, 3, 4)
    assert Range(low=1, high=4).points(float) == ()
    grid = {EPOCHS: {"low": 1, "high": 5, "step": 2}, KIND: ["adam", "sgd"]}
    assert Sweep.accept({**GOOD, "space": grid}).size == 6
    assert Sweep.accept(GOOD).size is None


def test_the_type_of_a_number_is_the_fields() -> None:
    assert number_at(EPOCHS) is int
    assert number_at(RATE) is float
    assert number_at("trainer.ppo.target_kl") is float
    assert number_at("trainer_config.optimizer.learning_rate") is float
    assert number_at("trainer.ppo.normalize_advantages") is None
    assert number_at(KIND) is None


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({}, "at least 1 item"),
        ({"trainer.optimizer.learning_rat": TWO}, "did you mean 'learning_rate'?"),
        ({KIND: TWO}, f"space.{KIND}: is no number"),
        ({ADVANTAGE: TWO}, "is no number"),
        ({"trainer.ppo.gamma": TWO}, "space.trainer.ppo.gamma = 2.0: should be less than or equal to 1"),
        ({EPOCHS: {"low": 0, "high": 4}}, "greater than or equal to 1"),
        ({EPOCHS: {"low": 1.5, "high": 4}}, "low = 1.5 is no whole number"),
        ({"trainer.minibatch_size": {"low": 500, "high": 512}}, "not divisible by minibatch_size = 500"),
        ({RATE: {"low": 0, "high": 1, "log": True}}, "low = 0 has no logarithm"),
        ({RATE: {"low": 2, "high": 1}}, "low = 2 is not below high = 1"),
        ({RATE: {"low": 0.1, "high": 1, "step": 0.35}}, "the last one is 0.8"),
        ({RATE: {"low": 1, "high": 2, "step": 1, "log": True}}, "step = 1 and log exclude each other"),
        ({RATE: {"low": 0.1, "hihg": 1}}, "did you mean 'high'?"),
        ({RATE: [0.001]}, "at least 2 items"),
        ({RATE: [0.001, "1e-3"]}, "'1e-3' is the same as a choice before it"),
        ({KIND: ["adam", "adan"]}, f"space.{KIND} = 'adan'"),
        ({ADVANTAGE: ["gae", "vtrase"]}, "did you mean 'vtrace'?"),
        ({"controls.seed": TWO}, "is the same in all trials of a sweep"),
    ],
)
def test_a_space_that_some_run_could_not_have_is_refused(space: dict[str, Any], words: str) -> None:
    assert words in refusal(space=space)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"budget": {}}, "a sweep without a budget would never end"),
        ({"budget": {"dollars": 3}}, "give dollars_per_hour"),
        ({"budget": {"agent_steps": 3}}, "not even one training of 49152 fits"),
        ({"metric": "overview/rewar"}, "no run reports this metric; did you mean 'overview/reward'?"),
        ({"metric": "evaluation/arena/basi"}, "did you mean 'evaluation/arena/basic'?"),
        ({"metric": "charts/SPS"}, "is wall time"),
        ({"pruner": {"type": "asha", "metric": "evaluation/reward"}}, "pruner.metric"),
        ({"sampler": {"type": "grid"}}, "a grid over all numbers between never ends"),
        ({"sampler": {"type": "cma_es"}}, "searches two ranges or more"),
        ({"base": "quik"}, "did you mean 'quick'?"),
        ({"name": "a b"}, "letters, digits"),
    ],
)
def test_a_sweep_that_could_not_be_run_is_refused(changed: dict[str, Any], words: str) -> None:
    assert words in refusal(**changed)


def test_a_sweep_that_names_no_budget_is_refused_too() -> None:
    with pytest.raises(Refused, match="a sweep without a budget would never end"):
        Sweep.accept({key: value for key, value in GOOD.items() if key != "budget"})
