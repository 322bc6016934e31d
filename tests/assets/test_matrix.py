"""The stages as a matrix: a cell trains what its experiment declares, and builds on nothing but its own cell."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.analyze import analyze_asset
from assets.checks import ANALYZE_CHECKS, EVALUATE_CHECKS, TRAIN_CHECKS, stage_checks
from assets.evaluate import evaluate_asset
from assets.shape import VARIANTS
from assets.train import train_asset
from resources.declarations import Declaration, declared_experiments, read_declaration
from resources.exposed_ops import op_resources
from resources.home import dagster_instance
from resources.in_process_compute import InProcessCompute
from resources.manifest_store import ManifestStore
from resources.matrix import SEED_KEYS, VARIANT_KEYS, Cell, add_cells
from resources.wandb.resource import WandbResource
from trainer.contract import Refused, Variants

CHECKS = {"train": TRAIN_CHECKS, "evaluate": EVALUATE_CHECKS, "analyze": ANALYZE_CHECKS}
JOB = dg.Definitions(
    assets=[train_asset(shape=VARIANTS), evaluate_asset(shape=VARIANTS), analyze_asset(shape=VARIANTS)],
    asset_checks=[stage_checks(stage, checks, VARIANTS) for stage, checks in CHECKS.items()],
    jobs=[dg.define_asset_job("cell", dg.AssetSelection.assets(*map(VARIANTS.key, CHECKS)))],
    resources={
        **op_resources(),
        "compute": InProcessCompute(module="fake_trainer"),
        "manifests": ManifestStore(),
        "wandb": WandbResource(),
    },
    executor=dg.in_process_executor,
).resolve_job_def("cell")


@pytest.fixture
def declared(instance: dg.DagsterInstance, home: Path) -> Variants:
    """Two arms, two seeds, in the home and in the matrix."""
    return declare(instance, home)


def declare(instance: dg.DagsterInstance, home: Path, name: str = "adv", gamma: float = 0.9) -> Variants:
    arms = {"gae": {}, "low": {"set": {"trainer.ppo.gamma": gamma}}}
    variants = Variants.accept({"name": name, "base": "quick", "arms": arms, "seeds": [1, 2]})
    Declaration(name, variants.runs(), variants).write(home)
    add_cells(instance, [Cell(name, run.variant, run.seed) for run in variants.runs()])
    return variants


def test_launchers_that_add_the_same_rows_and_columns_at_once_do_not_trip_each_other(home: Path) -> None:
    rounds, together = range(20), threading.Barrier(4)

    def add(_: int) -> None:
        with dagster_instance(home) as instance:
            for each in rounds:
                together.wait(timeout=20)
                add_cells(instance, [Cell(f"e{each}", "a", each), Cell(f"e{each}", "b", each)])

    with dagster_instance(home) as instance, ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
        assert set(instance.get_dynamic_partitions(SEED_KEYS)) == {str(each) for each in rounds}
        assert len(instance.get_dynamic_partitions(VARIANT_KEYS)) == 2 * len(rounds)


def run(instance: dg.DagsterInstance, cell: Cell, *stages: str, **options: Any) -> dg.ExecuteInProcessResult:
    """Run stages (default: all) of one cell; it is given its partition and nothing else."""
    selection = [VARIANTS.key(stage) for stage in stages] or None
    return JOB.execute_in_process(
        partition_key=cell.key, instance=instance, asset_selection=selection, raise_on_error=False, **options
    )


def made(result: dg.ExecuteInProcessResult, stage: str) -> dict[str, Any]:
    (found,) = [
        event.step_materialization_data.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key == VARIANTS.key(stage)
    ]
    assert found.partition == result.dagster_run.tags["dagster/partition"]
    return {key: value.value for key, value in found.metadata.items()}


def why_it_failed(result: dg.ExecuteInProcessResult) -> str:
    failures = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    return "\n".join(failure.description or "" for failure in failures if failure)


def test_a_cell_trains_what_is_declared_for_it_and_says_so(declared: Variants, instance: dg.DagsterInstance) -> None:
    wanted = {(each.variant, each.seed): each.spec for each in declared.runs()}
    for variant, seed in (("gae", 1), ("low", 2)):
        result = run(instance, Cell("adv", variant, seed))
        assert result.success
        assert made(result, "analyze")["spec_hash"] == wanted[variant, seed].spec_hash
        tags = instance.get_run_by_id(result.run_id).tags
        assert (tags["axiom/experiment"], tags["axiom/variant"], tags["axiom/seed"]) == ("adv", variant, str(seed))


def test_a_later_stage_alone_builds_on_the_newest_of_its_own_cell(
    declared: Variants, instance: dg.DagsterInstance
) -> None:
    own = run(instance, Cell("adv", "gae", 1), "train")
    run(instance, Cell("adv", "gae", 2), "train")
    run(instance, Cell("adv", "low", 1), "train")
    evaluated = run(instance, Cell("adv", "gae", 1), "evaluate")
    assert made(evaluated, "evaluate")["parent_manifests"] == {"train": made(own, "train")["manifest_file"]}
    alone = run(instance, Cell("adv", "low", 2), "evaluate")
    assert not alone.success and "any run of adv/low with seed 2" in why_it_failed(alone)


def test_another_cells_run_is_refused_by_name_too(declared: Variants, instance: dg.DagsterInstance) -> None:
    other = made(run(instance, Cell("adv", "low", 1), "train"), "train")["instance_name"]
    config = {"ops": {"variants__evaluate": {"config": {"of_run": other}}}}
    refused = run(instance, Cell("adv", "gae", 1), "evaluate", run_config=config)
    assert not refused.success and "is of adv/low with seed 1, and this run is of adv/gae" in why_it_failed(refused)


def test_a_run_that_was_launched_for_another_declaration_is_refused(
    declared: Variants, instance: dg.DagsterInstance, home: Path
) -> None:
    hashes = {each.variant: each.spec.spec_hash.removeprefix("sha256:") for each in declared.runs() if each.seed == 1}
    declare(instance, home, gamma=0.8)
    changed = run(instance, Cell("adv", "low", 1), "train", tags={"axiom/spec_hash": hashes["low"]})
    assert not changed.success and "was declared anew since this run was launched" in why_it_failed(changed)
    assert run(instance, Cell("adv", "gae", 1), "train", tags={"axiom/spec_hash": hashes["gae"]}).success


def test_a_cell_that_nobody_declared_is_refused(declared: Variants, instance: dg.DagsterInstance, home: Path) -> None:
    declare(instance, home, "other")
    instance.add_dynamic_partitions("axiom_variant", ["adv/gone", "nobody/gae"])
    for cell, words in (
        (Cell("adv", "gone", 1), "adv declares no such run; did you mean 'gae with seed 1'?"),
        (Cell("nobody", "gae", 1), "no experiment of many runs has this name here; allowed: adv, other"),
    ):
        result = run(instance, cell, "train")
        assert not result.success and words in why_it_failed(result)


def test_resources_cannot_make_another_spec_of_a_cell(declared: Variants, instance: dg.DagsterInstance) -> None:
    config = {"resources": {"compute_advantage": {"config": {"op": {"vtrace": {}}}}}}
    refused = run(instance, Cell("adv", "gae", 1), "train", run_config=config)
    assert not refused.success and "is declared by it; leave the resources as they are" in why_it_failed(refused)


def test_a_declaration_is_read_as_it_was_written(declared: Variants, home: Path) -> None:
    assert read_declaration(home, "adv") == Declaration("adv", declared.runs(), declared)
    assert declared_experiments(home) == ["adv"]
    with pytest.raises(Refused, match="did you mean 'adv'"):
        read_declaration(home, "adw")


def test_a_place_is_read_from_tags_and_written_to_them() -> None:
    cell = Cell("adv", "learning_rate=0.1+gamma=0.9", 4294967295)
    assert Cell.of(cell.tags) == cell
    assert cell.key == "4294967295|adv/learning_rate=0.1+gamma=0.9"
    assert Cell.of({}) is Cell.of({"dagster/partition": "2026-01-01"}) is None
