"""What a manifest says of a pipeline: what is exposed and overridden, what ran and was seen; it never runs it."""

from collections.abc import Iterable
from typing import Any

from trainer.algorithm.overrides import source_of
from trainer.contract.manifest import InterventionRecord, OpRecord
from trainer.contract.spec import TrainAndEvalSpec
from trainer.ops.op import Op
from trainer.pipeline import Compiled, Pipeline

DECLARED = "declared"


def exposure(spec: TrainAndEvalSpec, pipeline: Pipeline, stage: str) -> dict[str, Any]:
    """The manifest's fields about the pipeline of `spec`, with the ops that run in `stage`.

    Take them before hooks are added: who watches a run changes nothing of what it is.
    """
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


def watched(compiled: Compiled, by_monitors: Iterable[InterventionRecord] = ()) -> dict[str, Any]:
    """The manifest's fields about what was seen so far, and done about it; the hooks' requests are taken along."""
    by_hooks = (InterventionRecord.accept(request.plain()) for request in compiled.drain_requests())
    return {
        "checks": compiled.check_counts(),
        "hooks": compiled.hook_counts(),
        "interventions": tuple(sorted((*by_monitors, *by_hooks), key=lambda each: each.iteration or 0)),
    }


def _record(op: Any) -> OpRecord:
    """The record of a declared op, or of a step that the engine itself does."""
    if not isinstance(op, Op):
        return OpRecord(implementation=DECLARED)
    return OpRecord(implementation=op.name, params=op.plain(), source_digest=source_of(op))
