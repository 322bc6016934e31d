"""Variants × seeds as data: which runs a declaration gives, what it refuses, and that files give it back."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.contract import (
    Arm,
    Refused,
    TrainAndEvalSpec,
    Variants,
    create_quick_experiment,
    load_experiment,
    load_variants,
    save_experiment_spec,
    save_variants,
)
from trainer.contract.difference import factors

GAMMA, RATE, STEP = "trainer.ppo.gamma", "trainer.optimizer.learning_rate", "train.compute_advantage"


def variants(**fields: Any) -> Variants:
    return Variants.accept({"name": "adv", "base": "quick", "seeds": [1, 2], **fields})


def refusal(**fields: Any) -> str:
    with pytest.raises(Refused) as refused:
        variants(**fields)
    return str(refused.value)


def test_each_arm_runs_once_with_each_seed_and_differs_from_the_base_in_what_it_says() -> None:
    declared = variants(arms={"gae": {}, "vtrace": {"overrides": {STEP: "vtrace:rho_clip=2.0"}}})
    runs = declared.runs()
    assert [(run.variant, run.seed) for run in runs] == [("gae", 1), ("gae", 2), ("vtrace", 1), ("vtrace", 2)]
    assert all((run.spec.name, run.spec.controls.seed) == ("adv", run.seed) for run in runs)
    assert factors(runs[0].spec, runs[1].spec) == ()
    assert factors(runs[0].spec, runs[2].spec) == (STEP,)
    assert runs[2].spec.overrides[STEP] == {"vtrace": {"rho_clip": 2.0, "c_clip": 1.0}}
    assert len({run.spec.spec_hash for run in runs}) == 4


def test_an_arm_has_seeds_of_its_own_in_each_point_of_a_grid_too() -> None:
    declared = variants(arms={"a": {}, "b": {"set": {RATE: 0.01}, "seeds": [7]}}, grid={GAMMA: [0.9, 0.99]})
    found = [(run.variant, run.seed, run.spec.controls.seed) for run in declared.runs()]
    assert found == [
        *((f"a+gamma={gamma}", seed, seed) for gamma in (0.9, 0.99) for seed in (1, 2)),
        *((f"b+gamma={gamma}", 7, 7) for gamma in (0.9, 0.99)),
    ]


def test_the_same_arm_with_other_seeds_is_an_a_a_test() -> None:
    declared = variants(arms={"a": {}, "again": {"seeds": [3, 4, 5]}})
    assert [run.seed for run in declared.runs() if run.variant == "again"] == [3, 4, 5]
    first, *_, last = declared.runs()
    assert factors(first.spec, last.spec) == ()
    assert len({run.spec.spec_hash for run in declared.runs()}) == 5


def test_a_run_is_the_very_spec_that_one_would_write_by_hand() -> None:
    (run,) = variants(arms={"low": {"set": {GAMMA: 0.9}}}, seeds=[7]).runs()
    by_hand = create_quick_experiment(name="adv", controls={"seed": 7}).plain()
    by_hand["trainer"]["ppo"]["gamma"] = 0.9
    assert run.spec == TrainAndEvalSpec.accept(by_hand)


def test_one_variant_alone_is_the_base_with_each_seed() -> None:
    assert [(run.variant, run.seed) for run in variants().runs()] == [("base", 1), ("base", 2)]


def test_a_grid_gives_every_combination_a_name_that_tells_it() -> None:
    declared = variants(grid={RATE: [0.0003, 1e-5], STEP: ["gae", {"vtrace": {"rho_clip": 2.0}}]})
    assert list(declared.specs) == [
        "learning_rate=0.0003+compute_advantage=gae",
        "learning_rate=0.0003+compute_advantage=vtrace-rho_clip-2.0-2c097e",
        "learning_rate=1.0e-05+compute_advantage=gae",
        "learning_rate=1.0e-05+compute_advantage=vtrace-rho_clip-2.0-2c097e",
    ]
    assert declared.specs["learning_rate=1.0e-05+compute_advantage=gae"].trainer.optimizer.learning_rate == 1e-5


def test_arms_run_once_in_each_point_of_a_grid() -> None:
    declared = variants(arms={"a": {}, "b": {"overrides": {STEP: "vtrace"}}}, grid={GAMMA: [0.9, 0.99]})
    assert list(declared.specs) == ["a+gamma=0.9", "a+gamma=0.99", "b+gamma=0.9", "b+gamma=0.99"]


def test_paths_that_end_alike_are_named_whole() -> None:
    (name,) = variants(
        grid={"trainer.checkpoint.interval_updates": [2], "trainer.profiler.interval_updates": [3]}
    ).specs
    assert name == "trainer.checkpoint.interval_updates=2+trainer.profiler.interval_updates=3"
    (name,) = variants(grid={"trainer.checkpoint.interval_updates": [2], "agent.hidden_sizes": [[32, 32]]}).specs
    assert name == "interval_updates=2+hidden_sizes=32-32-3af7b6"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"seeds": []}, "seeds = []: there is none"),
        ({"seeds": [3, 1, 3]}, "3 is given twice"),
        ({"seeds": [-1]}, "-1 is no seed"),
        ({"grid": {GAMMA: []}}, f"{GAMMA} has no values"),
        ({"grid": {GAMMA: [0.9, 0.9]}}, "is given 0.9 twice"),
        ({"grid": {"trainer.ppo.gama": [0.9]}}, "did you mean 'gamma'?"),
        ({"grid": {"trainer.ppo.gamma": [3.0]}}, "gamma=3.0: trainer.ppo.gamma = 3.0"),
        ({"grid": {STEP: ["vtrac"]}}, "did you mean 'vtrace'?"),
        ({"arms": {"a": {}, "b": {"set": {GAMMA: 0.99}}}}, "b: is the same as a"),
        ({"arms": {"a": {}, "b": {"seeds": [2, 3]}}}, "b: is the same as a"),
        ({"arms": {"a": {}, "b": {"seeds": [3, 3]}}}, "3 is given twice"),
        ({"arms": {"a": {}, "b": {"seeds": [2**32]}}}, "is no seed"),
        ({"arms": {"a b": {}}}, "'a b' cannot name a variant"),
        ({"arms": {"a/b": {}}}, "'a/b' cannot name a variant"),
        ({"arms": {"a...b": {}}}, "'a...b' cannot name a variant"),
        ({"arms": {"a": {"set": {"controls.seed": 1}}}}, "is what `seeds` says"),
        ({"grid": {"name": ["other"]}}, "is the experiment's name in every run"),
        ({"arms": {"a": {"set": {GAMMA: 0.9}}}, "grid": {GAMMA: [0.8]}}, "is in the grid and in an arm"),
        ({"arms": {"a": {"sett": {}}}}, "did you mean 'set'?"),
        ({"base": "quik"}, "did you mean 'quick'?"),
        ({"name": "a b"}, "a name is 1 to 80"),
    ],
)
def test_what_cannot_be_run_is_refused_with_the_reason(fields: dict[str, Any], words: str) -> None:
    assert words in refusal(**fields)


def test_an_arm_of_two_factors_is_refused_unless_it_is_said_to_be_meant() -> None:
    two = {"a": {}, "b": {"set": {GAMMA: 0.9, RATE: 0.001}}}
    found = refusal(arms=two)
    assert "arms.b: differs from a in 2 factors" in found and f"{GAMMA}: 0.99 → 0.9" in found
    assert len(variants(arms=two, single_factor=False).runs()) == 4
    assert len(variants(grid={GAMMA: [0.99, 0.9], RATE: [0.001, 0.002]}).runs()) == 8


def test_every_two_arms_are_held_against_the_first_one() -> None:
    chain = {"a": {}, "b": {"set": {GAMMA: 0.9}}, "c": {"set": {GAMMA: 0.8}}}
    assert list(variants(arms=chain).specs) == ["a", "b", "c"]


@pytest.mark.parametrize("ending", ["yaml", "yml", "json"])
def test_a_file_gives_the_declaration_back_and_is_told_from_a_spec(tmp_path: Path, ending: str) -> None:
    declared = variants(arms={"a": Arm(set={GAMMA: 0.9})}, grid={RATE: [1e-3]})
    file = save_variants(declared, tmp_path / f"many.{ending}")
    assert load_variants(file) == load_experiment(file) == declared
    assert load_experiment(file).runs() == declared.runs()
    spec = create_quick_experiment()
    assert load_experiment(save_experiment_spec(spec, tmp_path / f"one.{ending}")) == spec


def test_a_file_needs_to_say_no_more_than_what_is_varied(tmp_path: Path) -> None:
    file = tmp_path / "short.yaml"
    file.write_text(yaml.safe_dump({"name": "short", "base": "quick", "grid": {GAMMA: [0.9]}, "seeds": [0]}))
    assert [run.variant for run in load_variants(file).runs()] == ["gamma=0.9"]


@settings(max_examples=20, deadline=None)
@given(
    gammas=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=4, unique=True),
    episodes=st.lists(st.integers(2, 10**6), max_size=3, unique=True),
    seeds=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4, unique=True),
)
def test_whatever_the_grid_its_runs_are_all_there_once_and_named_apart(
    gammas: list[float], episodes: list[int], seeds: list[int]
) -> None:
    grid: dict[str, list[Any]] = {GAMMA: gammas}
    grid |= {"trainer.simulation.num_episodes": episodes} if episodes else {}
    runs = variants(grid=grid, seeds=seeds).runs()
    assert len(runs) == len(gammas) * max(1, len(episodes)) * len(seeds)
    assert len({(run.variant, run.seed) for run in runs}) == len({run.spec.spec_hash for run in runs}) == len(runs)
    assert all(TrainAndEvalSpec.accept(run.spec.plain()) == run.spec for run in runs)
