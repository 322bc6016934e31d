"""A stage from its run directory to its manifest, however it ends; it never decides where or when it runs.

Each stage imports no more than it needs, so that it starts sooner.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainer.contract import (
    Artifact,
    Manifest,
    Refused,
    Reporter,
    RunDirectory,
    Stage,
    Status,
    TrainAndEvalSpec,
    load_experiment_spec,
    read_manifest,
    write_text,
)
from trainer.engine.environment import describe_environment
from trainer.stopping import Cancelled


@dataclass
class Record:
    """What a stage has to say of itself so far; becomes its manifest."""

    stage: Stage
    spec: TrainAndEvalSpec
    run: RunDirectory
    run_id: str | None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    found: dict[str, Any] = field(default_factory=dict)

    def write(self, status: Status, error: str | None = None) -> Manifest:
        """Write the manifest of the stage as it stands, ended now."""
        manifest = Manifest(
            stage=self.stage,
            instance_name=self.run.instance_name,
            run_id=self.run_id,
            status=status,
            error=error,
            started_at=self.started_at,
            ended_at=datetime.now(UTC),
            spec=self.spec.plain(),
            spec_hash=self.spec.spec_hash,
            environment=describe_environment(),
            **self.found,
        )
        manifest.write(self.run)
        return manifest


def run_train(run: RunDirectory, reporter: Reporter, run_id: str | None) -> Manifest:
    """Train as `run.yaml` says; raises what the training raised, after its manifest was written."""
    from trainer.engine.tracking import make_tracker
    from trainer.engine.training import train

    with _recorded("train", run, run_id) as record:
        tracker = make_tracker(record.spec, run, "train", reporter)
        ended_well = False
        try:
            trained = train(record.spec, run, reporter, tracker)
            ended_well = True
        finally:
            tracker.close(0 if ended_well else 1)
        record.found = {
            "metrics": trained.metrics,
            "weights_digest": trained.weights_digest,
            "checkpoint": Artifact.of(trained.checkpoint, run),
            "artifacts": (Artifact.of(run.metrics_file, run),),
        }
    return read_manifest(run.manifest_file("train"))


def run_evaluate(run: RunDirectory, reporter: Reporter, run_id: str | None, train_manifest: Path | None) -> Manifest:
    """Evaluate in the simulations of `run.yaml` what `train_manifest` (default: this run's own) left."""
    from trainer.engine.evaluation import evaluate

    with _recorded("evaluate", run, run_id) as record:
        path = train_manifest or run.manifest_file("train")
        parent = read_manifest(path)
        record.found = {"parents": {"train": parent.digest}}
        results = evaluate(record.spec, run, parent, RunDirectory(path.parents[1]), reporter)
        episodes_file = run.stage("evaluate") / "episodes.json"
        plain = {name: result.plain() for name, result in results.items()}
        write_text(episodes_file, json.dumps(plain, indent=2) + "\n")
        replays = [run.path / replay for result in results.values() for replay in result.replays]
        record.found |= {
            "eval_results": results,
            "weights_digest": parent.weights_digest,
            "artifacts": tuple(Artifact.of(file, run) for file in [episodes_file, *replays]),
        }
    return read_manifest(run.manifest_file("evaluate"))


@contextmanager
def _recorded(stage: Stage, run: RunDirectory, run_id: str | None) -> Iterator[Record]:
    """Write the stage's manifest whether it ends well, fails or is cancelled; refuse a stage that has one already."""
    if run.manifest_file(stage).exists():
        raise Refused.one(
            "run-dir", str(run.path), f"its stage {stage!r} has a manifest already; runs are not overwritten"
        )
    record = Record(stage, load_experiment_spec(run.spec_file), run, run_id)
    try:
        yield record
    except Refused:
        raise
    except Exception as error:
        record.write("failed", f"{type(error).__name__}: {error}")
        raise
    except (Cancelled, KeyboardInterrupt):
        record.write("cancelled", "told to stop")
        raise
    record.write("succeeded")
