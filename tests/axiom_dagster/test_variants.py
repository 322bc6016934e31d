"""Launching an experiment of many runs: each run once in the queue, whatever was launched, failed or died before."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from axiom_dagster import Variants, VariantsExperiment
from axiom_dagster.experiments_location import JOB, defs
from axiom_dagster.variants.dequeuing import Dequeuing, daemon_is_alive, holding_lock
from axiom_dagster.variants.standing import Standing
from axiom_dagster.working_directory import working_directory_importable
from resources.declarations import Declaration
from resources.home import dagster_instance, prepare_home
from trainer.contract import Refused

CARTPOLE = {"trainer": {"curriculum": {"env": {"id": "CartPole-v1"}}}}


@pytest.fixture
def disk(home: Path) -> Iterator[dg.DagsterInstance]:
    """The home's own instance: the queue is there, and nobody takes runs out of it."""
    with dagster_instance(home) as instance:
        yield instance


def experiment(name: str = "adv", gamma: float = 0.9, seeds: tuple[int, ...] = (1,)) -> VariantsExperiment:
    arms = {"a": {}, "b": {"set": {"trainer.ppo.gamma": gamma}}}
    return VariantsExperiment(Variants.accept({"name": name, "base": CARTPOLE, "arms": arms, "seeds": seeds}))


def runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return list(instance.get_runs())[::-1]


def places(found: list[Any]) -> list[tuple[str, str]]:
    return [(each.tags["axiom/experiment"], each.tags["axiom/variant"]) for each in found]


def statuses(of: VariantsExperiment) -> list[str]:
    return [each.status for each in of.standings()]


def failed(instance: dg.DagsterInstance, run: dg.DagsterRun, will_retry: str = "false") -> None:
    instance.report_run_failed(run)
    instance.add_run_tags(run.run_id, {"dagster/will_retry": will_retry})


def succeeded(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    event = dg.DagsterEvent(event_type_value=dg.DagsterEventType.RUN_SUCCESS.value, job_name=JOB)
    instance.report_dagster_event(event, run.run_id)


def test_each_run_waits_in_the_queue_with_its_place_its_spec_and_its_launch(disk: dg.DagsterInstance) -> None:
    adv = experiment()
    assert statuses(adv) == ["missing", "missing"]
    assert adv.launch(launch="adv-now") == 2
    found = runs(disk)
    assert {run.status for run in found} == {dg.DagsterRunStatus.QUEUED}
    for run, declared in zip(found, adv.declaration.runs, strict=True):
        wanted = {"axiom/experiment": "adv", "axiom/variant": declared.variant, "axiom/seed": "1"}
        wanted |= {"axiom/launch": "adv-now", "axiom/spec_hash": declared.spec.spec_hash.removeprefix("sha256:")}
        wanted |= {"dagster/partition": f"1|adv/{declared.variant}", "axiom/compute": "local"}
        assert wanted.items() <= run.tags.items()
        assert dg.validate_run_config(defs.resolve_job_def(JOB), run.run_config)
    assert set(disk.get_dynamic_partitions("axiom_variant")) == {"adv/a", "adv/b"}


def test_launched_again_only_what_failed_or_was_cancelled_is_put_in(disk: dg.DagsterInstance) -> None:
    adv = experiment(seeds=(1, 2))
    assert adv.launch() == 4
    a1, a2, b1, _ = runs(disk)
    succeeded(disk, a1)
    failed(disk, a2)
    disk.run_coordinator.cancel_run(b1.run_id)
    assert statuses(adv) == ["succeeded", "failed", "cancelled", "queued"]
    assert experiment(seeds=(1, 2)).launch() == 2
    assert [run.tags["dagster/partition"] for run in runs(disk)[4:]] == ["2|adv/a", "1|adv/b"]
    assert statuses(adv) == ["succeeded", "queued", "queued", "queued"]
    assert adv.launch() == 0


def test_a_success_counts_although_a_later_run_of_it_failed(disk: dg.DagsterInstance) -> None:
    adv = experiment()
    adv.launch()
    a, _ = runs(disk)
    failed(disk, a)
    adv.launch()
    succeeded(disk, a)
    failed(disk, runs(disk)[2])
    assert statuses(adv)[0] == "succeeded"


def test_a_crashed_run_that_dagster_is_about_to_retry_is_not_launched_beside_it(disk: dg.DagsterInstance) -> None:
    adv = experiment()
    adv.launch()
    failed(disk, runs(disk)[0], will_retry="true")
    assert statuses(adv)[0] == "queued" and adv.launch() == 0
    disk.add_run_tags(runs(disk)[0].run_id, {"dagster/auto_retry_run_id": "gone"})
    assert statuses(adv)[0] == "failed"


def test_a_changed_variant_is_launched_anew_and_an_unchanged_one_is_not(disk: dg.DagsterInstance) -> None:
    experiment().launch()
    for run in runs(disk):
        succeeded(disk, run)
    changed = experiment(gamma=0.8, seeds=(1, 2))
    assert statuses(changed) == ["succeeded", "missing", "missing", "missing"]
    assert changed.launch() == 3


def test_two_experiments_with_the_same_variants_do_not_mix(disk: dg.DagsterInstance) -> None:
    first, second = experiment("first"), experiment("first2")
    first.launch()
    assert statuses(second) == ["missing", "missing"]
    second.launch()
    assert places(runs(disk)) == [("first", "a"), ("first", "b"), ("first2", "a"), ("first2", "b")]
    failed(disk, runs(disk)[0])
    assert (statuses(first)[0], statuses(second)[0]) == ("failed", "queued")


class Killed(Exception):
    """Stands for the death of the launcher."""


def test_a_launcher_that_dies_leaves_what_the_next_one_completes_each_run_once(disk: dg.DagsterInstance) -> None:
    def die(standing: Standing) -> None:
        raise Killed

    with pytest.raises(Killed):
        experiment(seeds=(1, 2)).launch(told=die)
    # It also dies between making a run and putting it into the queue.
    first = runs(disk)[0]
    disk.create_run_for_job(
        defs.resolve_job_def(JOB),
        run_config=first.run_config,
        tags={**first.tags, "dagster/partition": "2|adv/a", "dagster/partition/seed": "2", "axiom/spec_hash": _hash(2)},
        remote_job_origin=first.remote_job_origin,
    )
    assert experiment(seeds=(1, 2)).launch() == 3
    found = runs(disk)
    assert sorted(run.tags["dagster/partition"] for run in found) == ["1|adv/a", "1|adv/b", "2|adv/a", "2|adv/b"]
    assert {run.status for run in found} == {dg.DagsterRunStatus.QUEUED}


def _hash(seed: int) -> str:
    (run,) = (run for run in experiment(seeds=(1, 2)).declaration.runs if (run.variant, run.seed) == ("a", seed))
    return run.spec.spec_hash.removeprefix("sha256:")


def test_cancelling_empties_the_queue_of_this_experiment_alone(disk: dg.DagsterInstance) -> None:
    adv, other = experiment(), experiment("other")
    adv.launch()
    other.launch()
    assert adv.cancel() == 2
    assert (statuses(adv), statuses(other)) == (["cancelled"] * 2, ["queued"] * 2)


def test_what_is_wrong_in_any_variant_is_refused_before_any_run_exists(home: Path, disk: dg.DagsterInstance) -> None:
    for grid, words in (
        ({"trainer.curriculum.env.id": ["CartPole-v1", "NoSuch-v0"]}, "NoSuch-v0"),
        ({"train.compute_advantage": ["gae", "no_module:op"]}, "no_module"),
    ):
        declared = Variants.accept({"name": "bad", "base": CARTPOLE, "grid": grid, "seeds": [1]})
        with pytest.raises(Refused, match=words):
            VariantsExperiment(declared).launch()
    assert runs(disk) == [] and not (home / "experiments").exists()


def test_without_a_queue_it_is_refused(home: Path) -> None:
    settings = prepare_home(home) / "dagster" / "dagster.yaml"
    settings.write_text("run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}\n")
    with pytest.raises(Refused, match="wait in Dagster's queue"):
        experiment().launch()


def test_sources_of_ones_own_ops_are_kept_for_whoever_runs_them(home: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_ops.py").write_text("from trainer.ops.advantage import GAE\n\n\ndef own(step):\n    return step\n")
    declared = Variants.accept(
        {
            "name": "own",
            "base": CARTPOLE,
            "arms": {"mine": {"overrides": {"train.rollout": "my_ops:own"}}},
            "seeds": [1],
        }
    )
    with working_directory_importable():
        Declaration("own", declared.runs(), declared).write(home)
    assert (home / "experiments" / "own" / "source" / "my_ops.py").is_file()


def test_nobody_of_ours_dequeues_where_a_daemon_is_alive_or_another_one_of_ours(
    disk: dg.DagsterInstance, home: Path
) -> None:
    with holding_lock(home) as first, holding_lock(home) as second:
        assert first and not second
        queue = Dequeuing(disk, home)
        queue.ensure()
        assert not queue.is_working
    assert not daemon_is_alive(disk)
    disk.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "QUEUED_RUN_COORDINATOR", "alive", []))
    assert daemon_is_alive(disk)
    queue.ensure()
    assert not queue.is_working
    disk.add_daemon_heartbeat(DaemonHeartbeat(time.time() - 90, "QUEUED_RUN_COORDINATOR", "dead", []))
    assert not daemon_is_alive(disk)
