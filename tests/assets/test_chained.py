"""Chained stages: what a training begins with, how that is recorded and checked, and what a phase goes by."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.checks import BEGUN_CHECKS, EVALUATE_CHECKS, TRAIN_CHECKS, stage_checks
from assets.evaluate import evaluate_asset
from assets.phase import PhaseOf
from assets.train import train_asset
from resources.exposed_ops import op_resources
from resources.in_process_compute import InProcessCompute
from resources.manifest_store import ManifestStore
from resources.wandb.resource import WandbResource
from trainer.contract import Manifest, RunDirectory, read_manifest, write_text
from trainer.contract.composition import Composition
from trainer.contract.resume import begun_files

RESOURCES = {
    **op_resources(),
    "compute": InProcessCompute(module="fake_trainer"),
    "manifests": ManifestStore(),
    "wandb": WandbResource(),
}


def job(assets: list[Any], checks: list[Any]) -> dg.JobDefinition:
    return dg.Definitions(
        assets=assets,
        asset_checks=checks,
        jobs=[dg.define_asset_job("chain", "*")],
        resources=RESOURCES,
        executor=dg.in_process_executor,
    ).resolve_job_def("chain")


@pytest.fixture(scope="module")
def by_hand() -> dg.JobDefinition:
    """As somebody would chain them in definitions of their own."""
    return job(
        [
            train_asset("pretrain"),
            train_asset("finetune", initialize_from="pretrain"),
            evaluate_asset("evaluate", train="finetune"),
        ],
        [
            stage_checks("pretrain", TRAIN_CHECKS),
            stage_checks("finetune", BEGUN_CHECKS),
            stage_checks("evaluate", EVALUATE_CHECKS),
        ],
    )


@pytest.fixture(scope="module")
def composed() -> dg.JobDefinition:
    """A composition: one phase too good to be repaired, one good enough to go on with."""
    composition = Composition.accept(
        {
            "name": "chain",
            "base": {"name": "base", "controls": {"seed": 7}},
            "phases": {
                "pretrain": {},
                "repair": {"initialize_from": "pretrain", "when": [{"phase": "pretrain", "below": 7}]},
                "finetune": {
                    "initialize_from": "pretrain",
                    "set": {"controls.seed": 3},
                    "when": [{"phase": "pretrain", "metric": "overview/reward", "at_least": 10}],
                },
            },
        }
    )
    phases = [PhaseOf(composition, name) for name in composition.phases]
    return job(
        [asset for of in phases for asset in (train_asset(phase=of), evaluate_asset(shape=of.shape))],
        [stage_checks("train", BEGUN_CHECKS if of.begins_with else TRAIN_CHECKS, of.shape) for of in phases]
        + [stage_checks("evaluate", EVALUATE_CHECKS, of.shape) for of in phases],
    )


def run(job: dg.JobDefinition, instance: dg.DagsterInstance, *keys: str, **ops: Any) -> dg.ExecuteInProcessResult:
    """Run these assets, or all; `ops` are the configs of some."""
    selection = [dg.AssetKey(key.split("/")) for key in keys] or None
    config = {"ops": {name: {"config": given} for name, given in ops.items()}}
    return job.execute_in_process(instance=instance, run_config=config, asset_selection=selection, raise_on_error=False)


def made(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """The metadata of each asset that was materialized."""
    found = (each.step_materialization_data.materialization for each in result.get_asset_materialization_events())
    return {one.asset_key.to_user_string(): {key: each.value for key, each in one.metadata.items()} for one in found}


def record(of: dict[str, Any]) -> Manifest:
    return read_manifest(Path(of["manifest_file"]))


def failed_checks(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    found = result.get_asset_check_evaluations()
    return {each.check_name: each.description or "" for each in found if not each.passed}


def test_a_training_begins_with_what_the_one_before_it_left_in_the_same_run(
    by_hand: dg.JobDefinition, instance: dg.DagsterInstance
) -> None:
    old = run(by_hand, instance, "pretrain", pretrain={"name": "older"})
    names = {"pretrain": {"name": "first"}, "finetune": {"name": "second"}}
    result = run(by_hand, instance, **names)
    assert old.success and result.success and not failed_checks(result)
    found = made(result)
    first, second = record(found["pretrain"]), record(found["finetune"])
    assert second.parents == {"resume_from": first.digest}
    assert second.spec["resume_from"] == {
        "run": first.instance_name, "checkpoint": "latest", "update": None, "load": "weights",
        "sha256": first.checkpoint and first.checkpoint.sha256,
    }  # fmt: skip
    assert found["finetune"]["parent_manifests"] == {"resume_from": found["pretrain"]["manifest_file"]}
    assert record(found["evaluate"]).parents == {"train": second.digest}


def test_alone_it_begins_with_the_newest_and_by_config_with_another(
    by_hand: dg.JobDefinition, instance: dg.DagsterInstance
) -> None:
    older, newer = (made(run(by_hand, instance, "pretrain", pretrain={"name": name})) for name in ("older", "newer"))
    newest = record(made(run(by_hand, instance, "finetune", finetune={"name": "a"}))["finetune"])
    assert newest.spec["resume_from"]["run"] == newer["pretrain"]["instance_name"]
    asked = {"run": older["pretrain"]["instance_name"], "load": "all"}
    named = record(made(run(by_hand, instance, "finetune", finetune={"name": "b", "resume_from": asked}))["finetune"])
    assert named.spec["resume_from"] == {**asked, "checkpoint": "latest", "update": None, "sha256": ""}


def test_a_parent_that_was_changed_since_stops_what_comes_after(
    by_hand: dg.JobDefinition, instance: dg.DagsterInstance
) -> None:
    result = run(by_hand, instance, "pretrain", "finetune", pretrain={"name": "a"}, finetune={"name": "b"})
    found = made(result)
    write_text(Path(found["pretrain"]["manifest_file"]), record(found["pretrain"]).model_copy(
        update={"weights_digest": "sha256:other"}
    ).model_dump_json())  # fmt: skip
    alone = dg.AssetSelection.checks_for_assets(dg.AssetKey("finetune"))
    checked = dg.Definitions(
        assets=[train_asset("pretrain"), train_asset("finetune", initialize_from="pretrain")],
        asset_checks=[stage_checks("finetune", BEGUN_CHECKS)],
        jobs=[dg.define_asset_job("check", alone)],
        resources=RESOURCES,
    )
    again = checked.resolve_job_def("check").execute_in_process(instance=instance, raise_on_error=False)
    assert set(failed_checks(again)) == {"beginning_holds"} and "was changed since" in str(failed_checks(again))


def test_another_checkpoint_than_the_recorded_one_is_found(
    by_hand: dg.JobDefinition, instance: dg.DagsterInstance, home: Path
) -> None:
    names = {"pretrain": {"name": "a", "description": "tamper"}, "finetune": {"name": "b"}}
    result = run(by_hand, instance, "pretrain", **names)
    assert "manifest_is_whole" in failed_checks(result)
    begun = run(by_hand, instance, "finetune", finetune={"name": "b"})
    assert not begun.success  # what it would begin with is not what was recorded
    assert not list(home.glob("runs/b-*/train/begin.json"))


def test_a_phase_trains_where_its_conditions_hold_and_else_leaves_without_a_trace(
    composed: dg.JobDefinition, instance: dg.DagsterInstance, home: Path
) -> None:
    result = run(composed, instance)
    assert result.success and not failed_checks(result)
    assert set(made(result)) == {
        f"chain/{phase}/{stage}" for phase in ("pretrain", "finetune") for stage in ("train", "evaluate")
    }
    said = [event.user_message for event in instance.all_logs(result.run_id)]
    assert "skipped: pretrain: evaluation/reward is 7, not below 7" in said
    names = sorted(each.name.rsplit("-", 3)[0] for each in (home / "runs").iterdir())
    assert names == ["chain-finetune", "chain-pretrain"]
    assert begun_files(RunDirectory(next((home / "runs").glob("chain-finetune-*"))))[1].exists()


def test_a_run_that_is_retried_finds_each_phase_in_its_own_directory(
    composed: dg.JobDefinition, instance: dg.DagsterInstance, home: Path
) -> None:
    first = run(composed, instance)
    tags = {**instance.get_run_by_id(first.run_id).tags, "dagster/retry_number": "1"}
    config = {"ops": {}}
    again = composed.execute_in_process(instance=instance, run_config=config, tags=tags, raise_on_error=False)
    assert again.success and len(list((home / "runs").iterdir())) == 2
    assert {key: of["digest"] for key, of in made(again).items()} == {
        key: of["digest"] for key, of in made(first).items()
    }


def test_resources_cannot_make_another_spec_of_a_phase(
    composed: dg.JobDefinition, instance: dg.DagsterInstance
) -> None:
    config = {"resources": {"compute_advantage": {"config": {"op": {"vtrace": {}}}}}}
    refused = composed.execute_in_process(instance=instance, run_config=config, raise_on_error=False)
    failures = [event.step_failure_data.user_failure_data for event in refused.all_events if event.is_step_failure]
    assert "is declared by it; leave the resources as they are" in str(failures[0] and failures[0].description)
