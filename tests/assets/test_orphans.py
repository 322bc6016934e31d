"""A process that outlives its run, as Dagster sees it, leaves no trace: another one has its place."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg

from assets.train import train_asset
from resources.exposed_ops import op_resources
from resources.in_process_compute import InProcessCompute
from resources.manifest_store import ManifestStore
from resources.wandb.resource import WandbResource
from trainer.contract import Manifest, RunDirectory, Stage


class GivenUpMeanwhile:
    """A compute whose run is reported as failed while the stage runs, as after the death of its code server."""

    def __init__(self, outcome: Callable[[Manifest], Manifest]) -> None:
        self.calls = 0
        self.outcome = outcome

    def run(
        self, context: dg.AssetExecutionContext, stage: Stage, run: RunDirectory, train_manifest: Path | None = None
    ) -> Manifest:
        """See `Compute.run`."""
        self.calls += 1
        manifest = InProcessCompute(module="fake_trainer").run(context, stage, run, train_manifest)
        context.instance.report_run_failed(context.run)
        return self.outcome(manifest)


def trained(instance: dg.DagsterInstance, compute: GivenUpMeanwhile) -> dg.ExecuteInProcessResult:
    resources = {**op_resources(), "compute": compute, "manifests": ManifestStore(), "wandb": WandbResource()}
    return dg.materialize([train_asset()], resources=resources, instance=instance, raise_on_error=False)


def words_of(result: dg.ExecuteInProcessResult) -> str:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data.user_failure_data.description


def test_an_orphan_that_ends_well_materializes_nothing(instance: dg.DagsterInstance) -> None:
    compute = GivenUpMeanwhile(lambda manifest: manifest)
    result = trained(instance, compute)
    assert "has recorded run" in words_of(result)
    assert not result.asset_materializations_for_node("train")


def test_an_orphan_whose_trainer_was_killed_starts_no_other(instance: dg.DagsterInstance, home: Path) -> None:
    def killed(manifest: Manifest) -> Manifest:
        (home / "runs" / manifest.instance_name / "train" / "manifest.json").unlink()
        raise dg.RetryRequested(max_retries=1)

    compute = GivenUpMeanwhile(killed)
    assert "has recorded run" in words_of(trained(instance, compute))
    assert compute.calls == 1
