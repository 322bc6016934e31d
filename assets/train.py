"""The stage `train`: a spec becomes a trained agent; where it is trained is the compute's business."""

from typing import Any

import dagster as dg

from assets.code_version import trainer_code_version
from assets.launchpad import launchpad_config
from assets.overridden import resource_keys, with_chosen_ops
from assets.shape import ALONE, Shape
from assets.stage import OWNERS, finished, materialization, open_stage
from resources.refusing import refusals_fail_the_step
from trainer.contract import Refused, TrainAndEvalSpec

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


def train_asset(name: str = "train", shape: Shape = ALONE) -> dg.AssetsDefinition:
    """The asset that trains; `name` ends its key.

    In a matrix it takes no config: what it trains is what the run's experiment declares for the run's partition.
    """
    of_partition = shape.partitions is not None

    @dg.asset(
        name=name,
        key_prefix=shape.prefix,
        group_name=shape.group,
        partitions_def=shape.partitions,
        pool=POOL,
        kinds={"python", "pytorch", "mettagrid"},
        owners=OWNERS,
        description=DESCRIPTION_OF_PARTITION if of_partition else DESCRIPTION,
        code_version=trainer_code_version(),
        config_schema={} if of_partition else launchpad_config(),
        required_resource_keys=resource_keys(),
    )
    def train(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        with refusals_fail_the_step(), context.resources.manifests.declared_sources_first(context.run):
            run = open_stage(context, "train", _declared(context) if of_partition else _configured(context))
        manifest = finished(context, run, "train", lambda: context.resources.compute.run(context, "train", run))
        return materialization(manifest, run)

    return train


def _configured(context: dg.AssetExecutionContext) -> TrainAndEvalSpec:
    return with_chosen_ops(TrainAndEvalSpec.accept(context.op_execution_context.op_config), context, "train")


def _declared(context: dg.AssetExecutionContext) -> TrainAndEvalSpec:
    """What the partition trains; refused where resources would make another spec of it."""
    spec: TrainAndEvalSpec = context.resources.manifests.declared(context.run)
    if (chosen := with_chosen_ops(spec, context, "train")) != spec:
        why = f"what runs in the steps of {spec.name} is declared by it; leave the resources as they are"
        raise Refused.one("resources", str(chosen.overrides), why)
    return spec
