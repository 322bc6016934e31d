"""With which other training's checkpoint a training begins, and how that is told; it opens no checkpoint."""

from collections.abc import Sequence
from typing import Literal

import dagster as dg

from trainer.contract import Manifest, RunDirectory, TrainAndEvalSpec
from trainer.contract.resume import PARENT, beginning_with


def begun_with(
    context: dg.AssetExecutionContext,
    spec: TrainAndEvalSpec,
    assets: Sequence[dg.AssetKey],
    load: Literal["weights", "all"],
    checkpoint: Literal["latest", "best"],
) -> TrainAndEvalSpec:
    """The spec, beginning with the last of these trainings, unless it says itself what it begins with."""
    if spec.resume_from is not None or not assets:
        return spec
    trained = context.resources.manifests.parent(context.instance, context.run.run_id, assets[-1])
    asked = beginning_with(trained.run_directory, trained.manifest.checkpoint, load=load, which=checkpoint)
    return TrainAndEvalSpec.accept({**spec.plain(), PARENT: asked.plain()})


def parent_file(run: RunDirectory, manifest: Manifest) -> dict[str, str]:
    """The manifest's path of the training that this one began with, by `resume_from`; nothing where it has none."""
    asked = manifest.spec.get(PARENT)
    file = RunDirectory(run.path.parent / asked["run"]).manifest_file("train") if asked else None
    return {PARENT: str(file)} if file is not None and file.is_file() and PARENT in manifest.parents else {}
