"""The stage `train`: a spec becomes a trained agent; where it is trained is the compute's business."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg

from assets.beginning import begun_with, parent_file
from assets.code_version import trainer_code_version
from assets.launchpad import launchpad_config
from assets.overridden import resource_keys, with_chosen_ops
from assets.shape import ALONE, Shape
from assets.stage import OWNERS, finished, materialization, open_stage
from resources.refusing import refusals_fail_the_step
from trainer.contract import Refused, TrainAndEvalSpec

if TYPE_CHECKING:
    from assets.phase import PhaseOf

DESCRIPTION = """A policy, trained with PPO on the environments of one spec.

**Config** is the whole spec; empty config is the main job on the arena. For instance:

```yaml
ops:
  train:
    config:
      name: try
      trainer: {total_timesteps: 100000, optimizer: {learning_rate: 0.0005}}
resources:
  compute_advantage: {config: {op: {vtrace: {}}}}      # what runs in an exposed step
  compute: {config: {backend: {local: {}}}}            # where it runs: local, in_process, skypilot
```

Values out of bounds are refused before a run exists. Each materialization is a **manifest**, with reward, steps per
second, duration in seconds and cost in dollars (where something was rented) as numbers that Dagster plots.
"""
DESCRIPTION_OF_PARTITION = """A policy for one cell of the matrix: a variant of an experiment, with one seed.

What a partition trains is what its experiment declares (in the home: `experiments/<name>/declaration.json`), so there
is no **config** but the resources'. `axiom run FILE` declares an experiment and launches what is missing of it; here
single cells are materialized again, and backfills fill rows and columns.
"""
POOL = "training"


def train_asset(
    name: str = "train",
    shape: Shape = ALONE,
    *,
    initialize_from: str = "",
    load: Literal["weights", "all"] = "weights",
    checkpoint: Literal["latest", "best"] = "latest",
    phase: "PhaseOf | None" = None,
) -> dg.AssetsDefinition:
    """The asset that trains; `name` ends its key.

    `initialize_from` names an earlier one of this shape with whose checkpoint it begins, unless its config says
    `resume_from`: that of its own run, else the latest. In a matrix it takes no config: what it trains is what the
    run's experiment declares for the run's partition. A `phase` has its composition's spec and place, and leaves
    without training where its conditions do not hold.
    """
    shape = phase.shape if phase else shape
    parents = phase.begins_with if phase else [shape.key(initialize_from)] if initialize_from else []
    how = (phase.phase.load, phase.phase.checkpoint) if phase else (load, checkpoint)

    @dg.asset(
        name=name,
        key_prefix=shape.prefix,
        deps=list(dict.fromkeys([*parents, *(phase.goes_by if phase else ())])),
        group_name=shape.group,
        partitions_def=shape.partitions,
        pool=POOL,
        kinds={"python", "pytorch", "mettagrid"},
        owners=OWNERS,
        description=_description(shape, phase),
        code_version=trainer_code_version(),
        config_schema=_config(shape, phase),
        output_required=phase is None,
        required_resource_keys=resource_keys(),
    )
    def train(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        manifests = context.resources.manifests
        composition = phase.composition.name if phase else ""
        with refusals_fail_the_step(), manifests.declared_sources_first(context.run, composition):
            if phase and (why := phase.why_skipped(context)):
                context.log.info(f"skipped: {why}")
                return
            spec = begun_with(context, _spec(context, shape, phase), parents, *how)
            run = open_stage(context, "train", spec)
        manifest = finished(context, run, "train", lambda: context.resources.compute.run(context, "train", run))
        yield materialization(manifest, run, parent_file(run, manifest))

    return train


def _description(shape: Shape, phase: "PhaseOf | None") -> str:
    return phase.description if phase else DESCRIPTION_OF_PARTITION if shape.partitions else DESCRIPTION


def _config(shape: Shape, phase: "PhaseOf | None") -> Any:
    return phase.config if phase else {} if shape.partitions else launchpad_config()


def _spec(context: dg.AssetExecutionContext, shape: Shape, phase: "PhaseOf | None") -> TrainAndEvalSpec:
    config = context.op_execution_context.op_config
    if phase is not None:
        return _as_declared(phase.spec(config or {}), context)
    if shape.partitions is not None:
        return _as_declared(context.resources.manifests.declared(context.run), context)
    return with_chosen_ops(TrainAndEvalSpec.accept(config), context, "train")


def _as_declared(spec: TrainAndEvalSpec, context: dg.AssetExecutionContext) -> TrainAndEvalSpec:
    """The spec; refused where resources would make another one of it."""
    if (chosen := with_chosen_ops(spec, context, "train")) != spec:
        why = f"what runs in the steps of {spec.name} is declared by it; leave the resources as they are"
        raise Refused.one("resources", str(chosen.overrides), why)
    return spec
