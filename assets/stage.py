"""What every stage does before and after its work: open its run, tell Dagster what came out; never the work itself."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.overridden import overrides_markdown, sources_digest, tag_of
from assets.results import results_table
from resources.manifest_store import DIGEST, INSTANCE_NAME_TAG, MANIFEST_FILE, PARENTS
from trainer.contract import Manifest, Refused, RunDirectory, Stage, TrainAndEvalSpec, digest_of

GROUP = "experiment"
OWNERS = ["team:rl-research"]


class OfRun(dg.Config):
    """Which run's manifest a stage builds on."""

    of_run: str = ""
    """Instance name of a run. Empty: this run's own, else that of the run it re-executes, else the latest."""


def open_stage(context: dg.AssetExecutionContext, stage: Stage, spec: TrainAndEvalSpec) -> RunDirectory:
    """The run's directory, its run tagged; refused if the stage has already ended there."""
    run: RunDirectory = context.resources.manifests.open_run(context.instance, context.run.run_id, spec)
    if run.manifest_file(stage).exists():
        raise Refused.one(stage, run.instance_name, "has already ended in this run; re-execute it as a new run")
    tags = {
        "axiom/experiment": spec.name,
        INSTANCE_NAME_TAG: run.instance_name,
        "axiom/spec_hash": spec.spec_hash.removeprefix("sha256:"),
        "axiom/seed": str(spec.controls.seed),
        **tag_of(spec),
    }
    context.instance.add_run_tags(context.run.run_id, tags)
    context.log.info(f"{stage} of {run.instance_name}: {run.path}")
    return run


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
