"""The stage `analyze`: an evaluation and its training become pictures and tables; it neither trains nor plays."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from assets.code_version import trainer_code_version
from assets.figures import evaluation_chart, learning_curve
from assets.results import results_csv, results_markdown
from assets.stage import GROUP, OWNERS, OfRun, materialization, open_stage
from resources.manifest_store import ManifestStore, Recorded
from resources.refusing import refusals_fail_the_step
from trainer.contract import (
    Artifact,
    Compute,
    Manifest,
    Refused,
    RunDirectory,
    TrainAndEvalSpec,
    atomic_file,
    code_artifacts,
    describe_machine,
    record_code,
    this_process,
)

DESCRIPTION = """The learning curve, the evaluation chart and the results table of one experiment.

Analyzes the evaluation of its own run and the training that it evaluated. Alone: those of the run it re-executes, else
the latest, or the ones named by `ops: {analyze: {config: {of_run: INSTANCE_NAME}}}`.
"""


def analyze_asset(name: str = "analyze", train: str = "train", evaluate: str = "evaluate") -> dg.AssetsDefinition:
    """The asset that analyzes what the asset `evaluate` found about what the asset `train` made."""

    @dg.asset(
        name=name,
        deps=[train, evaluate],
        group_name=GROUP,
        kinds={"python", "matplotlib"},
        owners=OWNERS,
        description=DESCRIPTION,
        code_version=trainer_code_version(),
    )
    def analyze(
        context: dg.AssetExecutionContext, config: OfRun, manifests: ManifestStore
    ) -> dg.MaterializeResult[Any]:
        started_at = datetime.now(UTC)
        with refusals_fail_the_step():
            evaluated = manifests.parent(context.instance, context.run.run_id, evaluate, config.of_run)
            trained = evaluated.parent("train")
            _refuse_another_training(manifests.made_by(context.instance, context.run.run_id, train), trained, config)
            run = open_stage(context, manifests, "analyze", TrainAndEvalSpec.accept(evaluated.manifest.spec))
            files = _write_files(run, trained, evaluated)
            manifest = _manifest(run, context.run.run_id, started_at, trained, evaluated, files=files)
            manifest.write(run)
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


def _write_files(run: RunDirectory, trained: Recorded, evaluated: Recorded) -> list[Artifact]:
    results, name = evaluated.manifest.eval_results, run.instance_name
    makers: dict[str, Callable[[], bytes]] = {
        "learning_curve.png": lambda: learning_curve(_training_rows(trained), name),
        "evaluation.png": lambda: evaluation_chart(results, name),
        "results.md": lambda: results_markdown(results).encode(),
        "results.csv": lambda: results_csv(results).encode(),
    }
    for file_name, make in makers.items():
        with atomic_file(run.stage("analyze") / file_name) as temporary:
            temporary.write_bytes(make())
    return [Artifact.of(run.stage("analyze") / file_name, run) for file_name in makers]


def _training_rows(trained: Recorded) -> list[dict[str, object]]:
    file = trained.run_directory.metrics_file
    try:
        return [json.loads(line) for line in file.read_text().splitlines()]
    except (OSError, json.JSONDecodeError) as error:
        raise Refused.one("metrics", str(file), f"cannot be read: {error}") from None


def _manifest(
    run: RunDirectory,
    run_id: str,
    started_at: datetime,
    trained: Recorded,
    evaluated: Recorded,
    *,
    files: list[Artifact],
) -> Manifest:
    code = record_code(run, "analyze")
    return Manifest(
        stage="analyze",
        instance_name=run.instance_name,
        run_id=run_id,
        status="succeeded",
        started_at=started_at,
        ended_at=datetime.now(UTC),
        spec=evaluated.manifest.spec,
        spec_hash=evaluated.manifest.spec_hash,
        parents={"train": trained.manifest.digest, "evaluate": evaluated.manifest.digest},
        environment=describe_machine().with_fingerprint(code.files),
        code=code,
        compute=Compute(kind="in_process", process=this_process()),
        metrics=trained.manifest.metrics,
        eval_results=evaluated.manifest.eval_results,
        weights_digest=trained.manifest.weights_digest,
        artifacts=(*files, *code_artifacts(run, "analyze", code)),
    )


def _pictures(run: RunDirectory) -> dict[str, dg.MetadataValue]:
    folder = run.stage("analyze")
    return {
        "learning_curve": _picture(folder / "learning_curve.png"),
        "evaluation": _picture(folder / "evaluation.png"),
        "learning_curve_file": dg.PathMetadataValue(folder / "learning_curve.png"),
        "results_file": dg.PathMetadataValue(folder / "results.md"),
    }


def _picture(file: Path) -> dg.MetadataValue:
    encoded = base64.b64encode(file.read_bytes()).decode()
    return dg.MetadataValue.md(f"![{file.stem}](data:image/png;base64,{encoded})")
