"""Compositions as data: what is refused before there is a run, and the course that follows from numbers."""

from pathlib import Path
from typing import Any

import pytest

from trainer.contract import Artifact, Refused, RunDirectory, load_experiment, write_text
from trainer.contract.composition import Composition, load_composition, save_composition
from trainer.contract.composition_course import Bound, Phase, Reached, is_last_round, origin, why_skipped
from trainer.contract.measured import measured

FINETUNE: dict[str, Any] = {"initialize_from": "pretrain", "set": {"trainer.optimizer.learning_rate": 0.0005}}


def accepted(**phases: Any) -> Composition:
    return Composition.accept({"name": "chain", "base": "quick", "phases": phases})


def test_each_phase_has_the_spec_that_one_would_write_by_hand() -> None:
    specs = accepted(pretrain={}, finetune={**FINETUNE, "repeat": {"at_most": 3}}).specs
    assert [spec.name for spec in specs.values()] == ["chain-pretrain", "chain-finetune"]
    rates = [spec.trainer.optimizer.learning_rate for spec in specs.values()]
    assert rates == [0.003, 0.0005]


def test_the_bound_counts_every_round_of_every_phase() -> None:
    assert accepted(pretrain={}, finetune={**FINETUNE, "repeat": {"at_most": 3}}).most_agent_steps == 4 * 49_152


def test_what_a_phase_begins_with_is_pinned_to_the_bytes_of_the_training_before() -> None:
    chain, parent = accepted(pretrain={}, finetune=FINETUNE), RunDirectory(Path("runs/chain-pretrain-1"))
    final = Artifact(path="final.pt", uri="file:///final.pt", size_bytes=1, sha256="sha256:" + "a" * 64)
    begun = chain.begun("finetune", parent, final)
    assert begun.resume_from and begun.resume_from.plain() == {
        "run": "chain-pretrain-1", "checkpoint": "latest", "update": None, "load": "weights", "sha256": final.sha256
    }  # fmt: skip
    other = chain.begun("finetune", RunDirectory(Path("runs/chain-pretrain-2")), final)
    assert len({begun.spec_hash, other.spec_hash, chain.specs["finetune"].spec_hash}) == 3


@pytest.mark.parametrize("ending", ["yaml", "json"])
def test_a_composition_is_read_as_it_was_written(tmp_path: Path, ending: str) -> None:
    chain = accepted(pretrain={}, finetune={**FINETUNE, "when": [{"phase": "pretrain", "at_least": 2}]})
    file = save_composition(chain, tmp_path / f"chain.{ending}")
    assert load_composition(file) == load_experiment(file) == chain


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "there is none; a composition has one phase or more"),
    ({"a b": {}}, "'a b': a name is 1 to 39 letters"),
    (
        {"pretrain": {}, "b": {"initialize_from": "pretrian"}},
        "initialize_from: 'pretrian': no such phase; did you mean",
    ),
    ({"a": {"initialize_from": "b"}, "b": {}}, "initialize_from: 'b': is a later phase"),
    ({"a": {"initialize_from": "a"}}, "initialize_from: 'a': is this phase itself; `repeat` makes rounds of it"),
    ({"a": {}, "b": {"initialize_from": ["a", "a"]}}, "name each phase once: a, a"),
    ({"a": {"when": [{"phase": "b", "below": 1}]}, "b": {}}, "phases.a.when: 'b': is a later phase"),
    ({"a": {}, "b": {"when": [{"phase": "a"}]}}, "neither at_least nor below"),
    ({"a": {}, "b": {"when": [{"phase": "a", "at_least": 1, "below": 2}]}}, "both at_least and below"),
    ({"a": {}, "b": {"when": [{"phase": "a", "metric": "evaluation/arena/basc", "below": 2}]}}, "did you mean"),
    ({"a": {}, "b": {"when": [{"phase": "a", "metric": "seconds", "below": 2}]}}, "is wall time"),
    ({"a": {"repeat": {}}}, "a loop without a bound may never end"),
    ({"a": {"repeat": {"at_most": 2, "until": {"metric": "reward", "below": 1}}}}, "no run reports this metric"),
    ({"a": {"repeat": {"at_most": 2}, "load": "all"}}, "a second round has none left"),
    ({"a": {"set": {"trainer.ppo.gama": 1}}}, "phases.a: trainer.ppo.gama = 1: no such field; did you mean 'gamma'?"),
    ({"a": {"set": {"name": "mine"}}}, "is chain-a in every run of it"),
    ({"a": {}, "b": {"initialize_from": "a", "set": {"resume_from.run": "x"}}}, "leave one of them out"),
    ({"a": {}, "b": {"initialize_from": "a", "set": {"agent.hidden_sizes": [8]}}}, "phases.b: agent is"),
    ({"a": {}, "b": {"initialize_from": "a", "set": {"trainer.curriculum.env": {"id": "CartPole-v1"}}}}, "curriculum"),
    ({"a": {}, "b": {"initialize_from": "a", "load": "all"}}, "nothing is left of 49152"),
    (
        {"a": {}, "b": {"initialize_from": "a", "load": "all", "set": {"trainer.optimizer.type": "adamw"}}},
        'trainer.optimizer.type is "adamw" and "adam" in a, with whose checkpoint it begins; make them equal; or load',
    ),
    (
        {"a": {}, "b": {"initialize_from": "a", "overrides": {"train": {"imported": {"target": "m:f"}}}}},
        "the stage train is replaced as a whole",
    ),
]


@pytest.mark.parametrize(("phases", "words"), REFUSED)
def test_what_can_never_run_is_refused_before_there_is_a_run(phases: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused) as refused:
        accepted(**phases)
    assert words in str(refused.value)


def numbers(**values: float | None) -> Reached:
    return lambda phase, metric: values[phase]


def test_a_bound_holds_from_its_value_on_or_under_it() -> None:
    at_least, below = Bound(at_least=2), Bound(below=2)
    assert [at_least.holds(value) for value in (1.9, 2, 2.1, None)] == [False, True, True, False]
    assert [below.holds(value) for value in (1.9, 2, 2.1, None)] == [True, False, False, False]
    assert Bound(at_least=0).holds(0)


def test_a_phase_runs_when_all_its_conditions_hold_and_says_which_does_not() -> None:
    phase = Phase.accept(
        {"when": [{"phase": "a", "at_least": 2}, {"phase": "b", "metric": "overview/reward", "below": 1}]}
    )
    assert why_skipped(phase, ["a", "b"], numbers(a=2.0, b=0.5)) == ""
    assert why_skipped(phase, ["a", "b"], numbers(a=1.5, b=0.5)) == "a: evaluation/reward is 1.5, not at least 2"
    assert why_skipped(phase, ["a", "b"], numbers(a=2.0, b=None)) == "b: overview/reward is missing, not below 1"
    assert why_skipped(phase, ["b"], numbers(b=0.5)) == "a was skipped"


def test_where_branches_meet_a_phase_begins_with_the_one_that_ran() -> None:
    join = Phase.accept({"initialize_from": ["easy", "hard"]})
    assert origin(join, ["first", "easy", "other"]) == "easy"
    assert origin(join, ["easy", "hard"]) == "hard"
    assert origin(Phase(), ["easy"]) is None
    assert why_skipped(join, ["easy"], numbers()) == ""
    assert why_skipped(join, ["first"], numbers()) == "there is nothing to begin with: easy, hard skipped"


def test_a_loop_ends_at_its_bound_or_as_soon_as_it_is_there() -> None:
    loop = Phase.accept({"repeat": {"at_most": 3, "until": {"at_least": 10}}})
    assert [is_last_round("a", loop, number, numbers(a=9.0)) for number in (1, 2, 3)] == [False, False, True]
    assert is_last_round("a", loop, 1, numbers(a=10.0))
    assert is_last_round("a", Phase(), 1, numbers())
    assert not is_last_round("a", Phase.accept({"repeat": {"at_most": 2}}), 1, numbers())


def test_a_training_has_reached_the_last_finite_value_of_its_metric(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    write_text(run.metrics_file, '{"losses/entropy": 0.7}\n{"losses/entropy": 0.5}\n{"losses/entropy": null}\n')
    assert measured("losses/entropy", run) == 0.5
    assert measured("overview/reward", run) is None
    with pytest.raises(Refused, match="did this stage finish"):
        measured("evaluation/reward", run)
