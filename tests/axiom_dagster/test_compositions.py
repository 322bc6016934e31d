"""A composition from its declaration to its end: branches, rounds, what is kept, gone on with, refused."""

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from axiom_dagster.compositions.experiment import CompositeExperiment, Outcome
from axiom_dagster.compositions.phases import PhaseRuns
from axiom_dagster.experiments_location import location
from axiom_dagster.summary import show_summary
from resources.compositions import declare, declared_compositions
from resources.in_process_compute import InProcessCompute
from trainer.contract import Refused
from trainer.contract.composition import Composition
from trainer.contract.processes import PROCESS_TAG, this_process

FAKE = InProcessCompute(module="fake_trainer")
PHASES: dict[str, Any] = {
    "pretrain": {},
    "repair": {"initialize_from": "pretrain", "when": [{"phase": "pretrain", "below": 5}]},
    "polish": {"initialize_from": "pretrain", "when": [{"phase": "pretrain", "at_least": 5}]},
    "finetune": {
        "initialize_from": ["repair", "polish"],
        "set": {"controls.seed": 7},
        "repeat": {"at_most": 3, "until": {"metric": "overview/reward", "at_least": 10}},
    },
}


def composed(name: str = "chain", phases: dict[str, Any] | None = None, seed: int = 3) -> Composition:
    """What the fake trainer reaches is its seed; in its last update 3 more."""
    return Composition.accept({"name": name, "base": {"controls": {"seed": seed}}, "phases": phases or PHASES})


Run = Callable[[Composition], list[Outcome]]


@pytest.fixture
def run(instance: dg.DagsterInstance) -> Run:
    return lambda composition: CompositeExperiment(composition, instance).run(compute=FAKE)


def told(outcomes: list[Outcome]) -> list[tuple[str, int, str]]:
    return [(each.phase, each.round, each.what) for each in outcomes]


@pytest.mark.slow
def test_the_branch_that_holds_runs_and_what_comes_after_begins_with_it(
    home: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run(composed())
    assert told(first) == [
        ("pretrain", 1, "ran"),
        ("repair", 1, "ran"),
        ("polish", 1, "skipped"),
        ("finetune", 1, "ran"),
    ]
    assert first[2].why == "pretrain: evaluation/reward is 3, not at least 5"
    assert first[1].run and first[3].began_with == first[1].run.instance_name
    assert first[3].run
    capsys.readouterr()
    show_summary(first[3].run, to_stderr=False)
    assert f"began with {first[1].run.instance_name}" in capsys.readouterr().out
    again = run(composed())
    assert told(again) == [
        (phase, number, "skipped" if what == "skipped" else "kept") for phase, number, what in told(first)
    ]
    assert [each.run for each in again] == [each.run for each in first]
    tags = first[3].run.tags if first[3].run else {}
    assert (tags["axiom/experiment"], tags["axiom/phase"], tags["axiom/round"]) == ("chain", "finetune", "1")
    assert len(list((home / "runs").iterdir())) == 3


@pytest.mark.slow
def test_each_round_begins_with_the_one_before_and_a_changed_phase_alone_is_run_anew(home: Path, run: Run) -> None:
    phases = {"a": {}, "b": {"initialize_from": "a", "repeat": {"at_most": 2, "until": {"at_least": 9}}}}
    first = run(composed(phases=phases))
    assert told(first) == [("a", 1, "ran"), ("b", 1, "ran"), ("b", 2, "ran")]
    names = [each.run.instance_name for each in first if each.run]
    assert [each.began_with for each in first] == [None, *names[:2]]
    changed = run(composed(phases={**phases, "b": {**phases["b"], "set": {"trainer.ppo.gamma": 0.9}}}))
    assert told(changed) == [("a", 1, "kept"), ("b", 1, "ran"), ("b", 2, "ran")]


def test_a_failure_ends_it_and_the_same_again_goes_on_in_the_same_directory(home: Path, run: Run) -> None:
    chain = composed(phases={"a": {"set": {"description": "fail evaluate"}}, "b": {"initialize_from": "a"}})
    (stopped,) = run(chain)
    assert (stopped.phase, stopped.what) == ("a", "failed") and "the loss is gone" in stopped.why
    (home / "runs" / "healed").touch()
    healed, after = run(chain)
    assert (healed.what, healed.why, after.what) == ("ran", "gone on with after it stopped", "ran")
    assert healed.run and stopped.run and healed.run != stopped.run
    assert healed.run.instance_name == stopped.run.instance_name == after.began_with


def test_what_another_process_is_at_is_refused_and_what_a_dead_one_was_at_is_not(
    home: Path, instance: dg.DagsterInstance
) -> None:
    chain = composed(phases={"a": {}})
    tags = {"axiom/experiment": "chain", "axiom/phase": "a", "axiom/round": "1", PROCESS_TAG: "elsewhere 1 1"}
    spec = chain.specs["a"]
    hashed = {**tags, "axiom/spec_hash": spec.spec_hash.removeprefix("sha256:")}
    under_way = dg.DagsterRun("composition_chain", tags=hashed, status=dg.DagsterRunStatus.STARTED)
    instance.add_run(under_way)
    runs = PhaseRuns(chain, instance, FAKE)
    with pytest.raises(Refused, match="is under way in process elsewhere 1 1"):
        runs.find("a", 1, spec)
    here, pid, _ = this_process().split()
    instance.add_run_tags(under_way.run_id, {PROCESS_TAG: f"{here} {pid} 1"})
    assert runs.find("a", 1, spec) is None  # it made no directory that could be gone on with
    run = instance.get_run_by_id(under_way.run_id)
    assert run and run.status is dg.DagsterRunStatus.CANCELED


def test_two_processes_at_one_composition_are_refused_and_nothing_is_made(home: Path, run: Run) -> None:
    folder = home / "experiments" / "chain"
    folder.mkdir(parents=True)
    with (folder / ".running").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Refused, match="another process is at this composition"):
            run(composed())
    assert not (home / "runs").exists()


def test_a_function_of_one_process_is_refused(run: Run) -> None:
    choice = {"function": {"label": "mine", "digest": "sha256:1"}}
    chain = composed(phases={"a": {"overrides": {"train.compute_loss": choice}}})
    with pytest.raises(Refused, match="exists in this process only"):
        run(chain)


def test_the_location_holds_every_composition_of_the_home_and_passes_over_what_it_cannot_read(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    declare(home, composed("first"))
    declare(home, composed("second", {"only": {}}))
    (home / "experiments" / "torn").mkdir()
    (home / "experiments" / "torn" / "composition.json").write_text('{"name": ')
    assert [each.name for each in declared_compositions(home)] == ["first", "second"]
    assert "torn/composition.json declares no composition that could be run" in caplog.text
    defs = location(home)
    graph = defs.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert {f"second/only/{stage}" for stage in ("train", "evaluate", "analyze")} < keys
    assert len(keys) == 3 + 4 * 3 + 3
    parents = {key.to_user_string() for key in graph.get(dg.AssetKey(["first", "repair", "train"])).parent_keys}
    assert parents == {"first/pretrain/train", "first/pretrain/evaluate"}
    assert dg.validate_run_config(defs.resolve_job_def("composition_first"), {})
