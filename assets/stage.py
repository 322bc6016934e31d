"""What every stage does before and after its work: open its run, tell Dagster what came out; never the work itself."""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from assets.overridden import overrides_markdown, sources_digest, tag_of
from assets.results import results_table
from resources.manifest_store import DIGEST, INSTANCE_NAME_TAG, MANIFEST_FILE, PARENTS, goes_on, worker_tag
from trainer.contract import (
    Manifest,
    Refused,
    RunDirectory,
    Stage,
    TrainAndEvalSpec,
    attempts,
    digest_of,
    read_manifest,
)

GROUP = "experiment"
OWNERS = ["team:rl-research"]


class OfRun(dg.Config):
    """Which run's manifest a stage builds on."""

    of_run: str = ""
    """Instance name of a run. Empty: this run's own, else that of the run it re-executes, else the latest."""


def open_stage(context: dg.AssetExecutionContext, stage: Stage, spec: TrainAndEvalSpec) -> RunDirectory:
    """The run's directory, its run tagged; refused if the stage has succeeded there and this run is a new one.

    Raises `dg.Failure` where Dagster has given the run up.
    """
    _refuse_orphan(context, stage)
    run: RunDirectory = context.resources.manifests.open_run(context.instance, context.run.run_id, spec)
    if _succeeded(run, stage) and not goes_on(context.run):
        raise Refused.one(stage, run.instance_name, "has already ended in this run; re-execute it as a new run")
    tags = {
        **worker_tag(context.run.run_id),
        "axiom/experiment": spec.name,
        INSTANCE_NAME_TAG: run.instance_name,
        "axiom/spec_hash": spec.spec_hash.removeprefix("sha256:"),
        "axiom/seed": str(spec.controls.seed),
        **tag_of(spec),
    }
    context.instance.add_run_tags(context.run.run_id, tags)
    context.log.info(f"{stage} of {run.instance_name}: {run.path}")
    return run


def finished(
    context: dg.AssetExecutionContext, run: RunDirectory, stage: Stage, work: Callable[[], Manifest]
) -> Manifest:
    """The stage's manifest: that of an earlier attempt which succeeded before its run died, else what `work` leaves.

    Raises `dg.Failure` where another run has begun this stage since, or may: one stage is materialized once.
    """
    manifest = read_manifest(run.manifest_file(stage)) if _succeeded(run, stage) else work()
    tries = attempts(run, stage)
    if tries and tries[-1].run_id not in (context.run.run_id, manifest.run_id):
        raise dg.Failure(
            f"{stage} of {run.instance_name} was taken over by run {tries[-1].run_id}", allow_retries=False
        )
    _refuse_orphan(context, stage)
    return manifest


def _refuse_orphan(context: dg.AssetExecutionContext, stage: Stage) -> None:
    """A process may outlive its run, as Dagster sees it: a retry has its place, and this one leaves no trace."""
    run = context.instance.get_run_by_id(context.run.run_id)
    if run is not None and run.is_finished:
        why = f"Dagster has recorded run {run.run_id} as {run.status.value} while its process was still at {stage}"
        raise dg.Failure(why, allow_retries=False)


def _succeeded(run: RunDirectory, stage: Stage) -> bool:
    file = run.manifest_file(stage)
    return file.exists() and read_manifest(file).status == "succeeded"


def materialization(
    manifest: Manifest,
    run: RunDirectory,
    parents: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dg.MaterializeResult[Any]:
    """The manifest as a materialization; `parents` are the paths of the parents' manifests, by stage.

    The data version is of the result and of the sources of the ops that made it: a repetition has the same one.
    """
    metadata = {
        MANIFEST_FILE: dg.PathMetadataValue(run.manifest_file(manifest.stage)),
        DIGEST: manifest.digest,
        PARENTS: dg.MetadataValue.json(dict(parents or {})),
        "instance_name": manifest.instance_name,
        "spec_hash": manifest.spec_hash,
        "overrides": dg.MetadataValue.md(overrides_markdown(manifest)),
        "run_directory": dg.PathMetadataValue(run.path),
        **_numbers(manifest),
        **({"results": results_table(manifest.eval_results)} if manifest.eval_results else {}),
        **(extra or {}),
        "manifest": dg.MetadataValue.json(manifest.plain()),
    }
    version = digest_of({"result": _result_digest(manifest), "sources": sources_digest(manifest)})
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(version))


def _numbers(manifest: Manifest) -> dict[str, float]:
    numbers = {name: value for name, value in manifest.metrics.items() if value is not None}
    for name, result in manifest.eval_results.items():
        numbers[f"{name}/mean_reward"] = result.mean_reward
        if result.times_random is not None:
            numbers[f"{name}/times_random"] = result.times_random
    return numbers


def _result_digest(manifest: Manifest) -> str:
    if manifest.stage == "train" and manifest.weights_digest:
        return manifest.weights_digest
    return digest_of({name: result.model_dump(mode="json") for name, result in manifest.eval_results.items()})
