"""The stage `analyze`: an evaluation and its training become pictures and tables; it neither trains nor plays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from assets.analysis import AnalyzeJob
from assets.code_version import trainer_code_version
from assets.inline import inline_picture
from assets.overridden import resource_keys, with_chosen_ops
from assets.shape import ALONE, Shape
from assets.stage import OWNERS, OfRun, finished, materialization, open_stage
from resources.in_process_compute import functions_of, hooks_of
from resources.manifest_store import Recorded
from resources.refusing import refusals_fail_the_step
from trainer.contract import (
    Artifact,
    Compute,
    Manifest,
    Refused,
    RunDirectory,
    Status,
    TrainAndEvalSpec,
    atomic_file,
    code_artifacts,
    describe_machine,
    record_code,
    redacted,
    this_process,
)
from trainer.contract.exposure import exposure, watched

PICTURES = ("learning_curve", "curriculum", "evaluation", "health", "throughput", "exposure")

DESCRIPTION = """The report of one experiment (`report.html`), its figures, a recorded episode and the results table.

Analyzes the evaluation of its own run and the training that it evaluated. Alone: those of the run it re-executes, else
the latest, or by **config** those of another:

```yaml
ops: {analyze: {config: {of_run: INSTANCE_NAME}}}
```

Its checks refuse a broken digest chain. It counts as stale after two days and as overdue after a week.
"""
# Results age with the code that made them: what is older than a week says little about the code of today.
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=7), warn_window=timedelta(days=2))


@dataclass(frozen=True)
class Analysis:
    """What is analyzed, by which spec, where and when."""

    run: RunDirectory
    run_id: str
    spec: TrainAndEvalSpec
    trained: Recorded
    evaluated: Recorded
    started_at: datetime

    def manifest(self, status: Status, error: str | None, found: Mapping[str, Any]) -> Manifest:
        """The record of this analysis, ended now."""
        trained, evaluated = self.trained.manifest, self.evaluated.manifest
        code = record_code(self.run, "analyze")
        artifacts = (*found.get("artifacts", ()), *code_artifacts(self.run, "analyze", code))
        fields: dict[str, Any] = {**found, "artifacts": artifacts}
        manifest = Manifest(
            stage="analyze",
            instance_name=self.run.instance_name,
            run_id=self.run_id,
            status=status,
            error=None if error is None else redacted(error),
            started_at=self.started_at,
            ended_at=datetime.now(UTC),
            spec=self.spec.plain(),
            spec_hash=self.spec.spec_hash,
            parents={"train": trained.digest, "evaluate": evaluated.digest},
            environment=describe_machine().with_fingerprint(code.files),
            code=code,
            compute=Compute(kind="in_process", process=this_process()),
            metrics=trained.metrics,
            eval_results=evaluated.eval_results,
            weights_digest=trained.weights_digest,
            **fields,
        )
        manifest.write(self.run)
        return manifest


def analyze_asset(
    name: str = "analyze", train: str = "train", evaluate: str = "evaluate", shape: Shape = ALONE
) -> dg.AssetsDefinition:
    """The asset that analyzes what the asset `evaluate` found about what the asset `train` made."""

    @dg.asset(
        name=name,
        key_prefix=shape.prefix,
        deps=[shape.key(train), shape.key(evaluate)],
        group_name=shape.group,
        partitions_def=shape.partitions,
        kinds={"python", "matplotlib"},
        owners=OWNERS,
        description=DESCRIPTION,
        code_version=trainer_code_version(),
        freshness_policy=None if shape.partitions else FRESHNESS,
        required_resource_keys=resource_keys(),
    )
    def analyze(context: dg.AssetExecutionContext, config: OfRun) -> dg.MaterializeResult[Any]:
        resources, run_id, started_at = context.resources, context.run.run_id, datetime.now(UTC)
        with refusals_fail_the_step():
            evaluated = resources.manifests.parent(context.instance, run_id, shape.key(evaluate), config.of_run)
            trained = evaluated.parent("train")
            _refuse_another_training(
                resources.manifests.made_by(context.instance, run_id, shape.key(train)), trained, config
            )
            spec = with_chosen_ops(TrainAndEvalSpec.accept(evaluated.manifest.spec), context, "analyze")
            run = open_stage(context, "analyze", spec)
            analysis = Analysis(run, run_id, spec, trained, evaluated, started_at)
            manifest = finished(context, run, "analyze", lambda: _analyzed(analysis, resources.compute))
        parents = {"train": str(trained.path), "evaluate": str(evaluated.path)}
        return materialization(manifest, run, parents, _pictures(run))

    return analyze


def _refuse_another_training(own: Recorded | None, evaluated: Recorded, config: OfRun) -> None:
    if own is not None and not config.of_run and own.manifest.digest != evaluated.manifest.digest:
        raise Refused.one(
            "evaluate",
            evaluated.manifest.instance_name,
            "the newest evaluation is of another training than this run's; select `evaluate` too, or name a run",
        )


def _analyzed(analysis: Analysis, compute: Any) -> Manifest:
    """The manifest of the analysis, written however it ends, unless it is refused."""
    found: dict[str, Any] = {}
    try:
        with analysis.run.source_first():
            files = _files(analysis, compute, found)
        found |= {"artifacts": tuple(_written(analysis.run, files))}
    except Refused:
        raise
    except Exception as error:
        analysis.manifest("failed", f"{type(error).__name__}: {error}", found)
        raise
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        analysis.manifest("cancelled", "told to stop", found)
        raise
    return analysis.manifest("succeeded", None, found)


def _files(analysis: Analysis, compute: Any, found: dict[str, Any]) -> Mapping[str, bytes]:
    """What the pipeline's step makes, seen by its hooks; `found` takes what the manifest says of it, however it ends.

    `compute` is asked for what exists in this process only: the analysis runs here, whatever it is.
    """
    pipeline = analysis.spec.pipeline(functions_of(compute))
    found |= exposure(analysis.spec, pipeline, "analyze")
    for path, hooks in hooks_of(compute).items():
        pipeline.watch(path, *hooks)
    compiled = pipeline.only("analyze").compile()
    try:
        return compiled(_job(analysis))
    finally:
        found |= watched(compiled)


def _job(analysis: Analysis) -> AnalyzeJob:
    from assets.report.record import read_rows

    trained, evaluated = analysis.trained, analysis.evaluated
    rows, notes = read_rows(trained.run_directory.metrics_file)
    return AnalyzeJob(
        title=analysis.run.instance_name,
        train=trained.manifest,
        evaluate=evaluated.manifest,
        rows=rows,
        trained_in=trained.run_directory,
        evaluated_in=evaluated.run_directory,
        folder=analysis.run.stage("analyze"),
        notes=notes,
    )


def _written(run: RunDirectory, files: Mapping[str, bytes]) -> list[Artifact]:
    for name, content in files.items():
        with atomic_file(run.stage("analyze") / name) as temporary:
            temporary.write_bytes(content)
    return [Artifact.of(run.stage("analyze") / name, run) for name in files]


def _pictures(run: RunDirectory) -> dict[str, dg.MetadataValue]:
    """Of the pictures, the report and the table that an analysis usually leaves, those that this one left."""
    folder = run.stage("analyze")
    places = {"report": "report.html", "learning_curve_file": "learning_curve.png", "results_file": "results.md"}
    paths = {name: dg.PathMetadataValue(folder / file) for name, file in places.items() if (folder / file).is_file()}
    files = {name: folder / f"{name}.png" for name in PICTURES}
    return {**{name: _picture(file) for name, file in files.items() if file.is_file()}, **paths}


def _picture(file: Path) -> dg.MetadataValue:
    """The picture itself, or where it lies if it is too large for a record that is read as a whole."""
    return inline_picture(file.stem, file.read_bytes()) or dg.PathMetadataValue(file)
