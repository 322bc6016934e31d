"""What a run overrides: the choices of its resources put into its spec, and said in words; it never loads an op."""

from collections.abc import Mapping
from typing import Any, get_args

import dagster as dg

from resources.exposed_ops import chosen_ops, refuse_misplaced_ops
from trainer.algorithm.declaration import exposed, slot_of
from trainer.contract import Manifest, Refused, Stage, TrainAndEvalSpec, digest_of

TAG = "axiom/overrides"
LONGEST_TAG = 100
STAGES: tuple[str, ...] = get_args(Stage)


def resource_keys() -> set[str]:
    """What the asset of every stage requires: compute, manifests, W&B's connection, and each exposed step.

    A stage that runs alone requires even those of stages before it, to refuse a choice that would have no effect.
    """
    return {"compute", "manifests", "wandb", *map(slot_of, exposed())}


def with_chosen_ops(spec: TrainAndEvalSpec, context: dg.AssetExecutionContext, stage: Stage) -> TrainAndEvalSpec:
    """The spec that `stage` runs by: the resources' choices are overrides like those that the spec came with.

    When a run begins with its training, spec and resources are two doors of the same run and must not contradict each
    other. A later stage builds on a spec of the past: what was done stays, what is ahead may be chosen anew.
    """
    refuse_misplaced_ops(context.op_execution_context.job_def.resource_defs)
    chosen = chosen_ops(context.resources)
    past = STAGES[: STAGES.index(stage)]
    for path, choice in chosen.items():
        if stage == "train" and spec.overrides.get(path, choice) != choice:
            why = f"but the spec's overrides.{path} is {spec.overrides[path]}; leave one of them out"
            raise Refused.one(f"resources.{slot_of(path)}", str(choice), why)
        if _stage_of(path) in past and spec.overrides.get(path) != choice:
            why = f"{_stage_of(path)} is done, and {path} was {spec.overrides.get(path, 'as declared')}"
            raise Refused.one(f"resources.{slot_of(path)}", str(choice), why)
    return TrainAndEvalSpec.accept({**spec.plain(), "overrides": {**spec.overrides, **chosen}})


def differ_only_later(parent: Manifest, child: Manifest) -> bool:
    """Whether the specs are the same but for overrides of the stages after the parent's, which it had no say in."""
    done = STAGES[: STAGES.index(parent.stage) + 1]
    return _until(parent.spec, done) == _until(child.spec, done)


def tag_of(spec: TrainAndEvalSpec) -> dict[str, str]:
    """The run's tag, `train.compute_advantage=vtrace`; none where nothing is overridden."""
    words = ", ".join(f"{path}={name}" for path, choice in spec.overrides.items() for name in choice)
    return {TAG: words if len(words) <= LONGEST_TAG else f"{words[:LONGEST_TAG]}…"} if words else {}


def overrides_markdown(manifest: Manifest) -> str:
    """What replaced what, one line each, with parameters and the beginning of the source's digest; else `none`."""
    return (
        "\n".join(
            f"- `{path}`: {record.implementation} `{record.params}` "
            f"(source {(record.source_digest or 'unreadable').removeprefix('sha256:')[:12]})"
            for path, record in manifest.overrides.items()
        )
        or "none"
    )


def sources_digest(manifest: Manifest) -> str:
    """Digest of the sources of all that ran in exposed steps, declared or not."""
    used = {**manifest.ops, **manifest.overrides}
    return digest_of({path: record.source_digest for path, record in used.items()})


def _stage_of(path: str) -> str:
    return path.partition(".")[0]


def _until(spec: Mapping[str, Any], stages: tuple[str, ...]) -> dict[str, Any]:
    overrides = {path: choice for path, choice in spec.get("overrides", {}).items() if _stage_of(path) in stages}
    return {**spec, "overrides": overrides}
