"""What every stage does before and after its work: open its run, tell Dagster what came out; never the work itself."""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from assets.interventions import markdown
from assets.numbers import numbers
from assets.overridden import overrides_markdown, sources_digest
from assets.results import results_table
from assets.run_tags import run_tags
from resources.manifest_store import DIGEST, MANIFEST_FILE, PARENTS, goes_on, worker_tag
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
    tags = run_tags(spec, run, context.resources.compute, context.run.tags)
    context.instance.add_run_tags(context.run.run_id, {**worker_tag(context.run.run_id), **tags})
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
    tracked = manifest.tracking
    # In the order in which people look for them: what came out, where it lies, what it was, then the record itself.
    metadata = {
        **({"results": results_table(manifest.eval_results)} if manifest.eval_results else {}),
        **(extra or {}),
        **numbers(manifest, run),
        **({"wandb": dg.UrlMetadataValue(tracked.url)} if tracked and tracked.url else {}),
        **({"interventions": dg.MetadataValue.md(markdown(manifest))} if manifest.interventions else {}),
        "overrides": dg.MetadataValue.md(overrides_markdown(manifest)),
        "instance_name": manifest.instance_name,
        "run_directory": dg.PathMetadataValue(run.path),
        "spec_hash": manifest.spec_hash,
        DIGEST: manifest.digest,
        MANIFEST_FILE: dg.PathMetadataValue(run.manifest_file(manifest.stage)),
        PARENTS: dg.MetadataValue.json(dict(parents or {})),
        "manifest": dg.MetadataValue.json(manifest.plain()),
    }
    version = digest_of({"result": _result_digest(manifest), "sources": sources_digest(manifest)})
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(version))


def _result_digest(manifest: Manifest) -> str:
    if manifest.stage == "train" and manifest.weights_digest:
        return manifest.weights_digest
    return digest_of({name: result.model_dump(mode="json") for name, result in manifest.eval_results.items()})
