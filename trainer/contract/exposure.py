"""What a manifest says of a pipeline: what is exposed, what was overridden, what ran; it never runs it."""

from typing import Any

from trainer.algorithm.overrides import source_of
from trainer.contract.manifest import OpRecord
from trainer.contract.spec import TrainAndEvalSpec
from trainer.ops.op import Op
from trainer.pipeline import Pipeline

DECLARED = "declared"


def exposure(spec: TrainAndEvalSpec, pipeline: Pipeline, stage: str) -> dict[str, Any]:
    """The manifest's fields about the pipeline of `spec`, with the ops that run in `stage`."""
    replaced = pipeline.overrides()
    overrides = {
        path: OpRecord(implementation=name, params=params, source_digest=source_of(replaced[path]))
        for path, choice in spec.overrides.items()
        for name, params in choice.items()
    }
    running = {path: op for path, op in pipeline.running().items() if path.split(".")[0] == stage}
    ops = {path: overrides.get(path) or _record(op) for path, op in running.items()}
    return {
        "exposed": pipeline.exposed(),
        "overrides": overrides,
        "ops": ops,
        "pipeline_fingerprint": pipeline.fingerprint(),
    }


def _record(op: Any) -> OpRecord:
    """The record of a declared op, or of a step that the engine itself does."""
    if not isinstance(op, Op):
        return OpRecord(implementation=DECLARED)
    return OpRecord(implementation=op.name, params=op.plain(), source_digest=source_of(op))
