"""The boxes of a run's exposure diagram, from its spec and its manifests; no override is ever loaded."""

from assets.figures.exposure import Box, boxes_of
from assets.report.record import RunRecord
from trainer.contract import OpRecord
from trainer.contract.exposure import DECLARED

LONGEST = 62


def exposure_boxes(record: RunRecord) -> list[Box]:
    """The pipeline as declared by the run's spec, with what ran in it and what replaced it, as far as it is recorded.

    A run that has ended no stage shows the overrides that its spec asks for.
    """
    declared = record.spec.model_copy(update={"overrides": {}}).pipeline()
    manifests = [each for each in (record.train, record.evaluate) if each is not None]
    runs = {path: op for each in manifests for path, op in each.ops.items()}
    asked = {
        path: OpRecord(implementation=name, params=params)
        for path, choice in record.spec.overrides.items()
        for name, params in choice.items()
    }
    replaced = {**asked, **{path: op for each in manifests for path, op in each.overrides.items()}}
    return boxes_of(declared, _all_words(runs), _all_words(replaced))


def _all_words(ops: dict[str, OpRecord]) -> dict[str, str]:
    return {path: op_words(op) for path, op in ops.items() if op.implementation != DECLARED}


def op_words(op: OpRecord) -> str:
    """`vtrace (rho_clip 1.0, c_clip 1.0)`; of an imported function its place."""
    params = {**op.params}
    name = str(params.pop("target", op.implementation))
    shown = ", ".join(f"{key} {value}" for key, value in params.items() if value not in ({}, None))
    words = f"{name} ({shown})" if shown else name
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
