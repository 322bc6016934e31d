"""The stage `train`: a spec becomes a trained agent; where it is trained is the compute's business."""

from typing import Any

import dagster as dg

from assets.code_version import trainer_code_version
from assets.launchpad import launchpad_config
from assets.overridden import resource_keys, with_chosen_ops
from assets.stage import GROUP, OWNERS, finished, materialization, open_stage
from resources.refusing import refusals_fail_the_step
from trainer.contract import TrainAndEvalSpec

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
POOL = "training"


def train_asset(name: str = "train") -> dg.AssetsDefinition:
    """The asset that trains; `name` is its key and its op's."""

    @dg.asset(
        name=name,
        group_name=GROUP,
        pool=POOL,
        kinds={"python", "pytorch", "mettagrid"},
        owners=OWNERS,
        description=DESCRIPTION,
        code_version=trainer_code_version(),
        config_schema=launchpad_config(),
        required_resource_keys=resource_keys(),
    )
    def train(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        with refusals_fail_the_step():
            given = TrainAndEvalSpec.accept(context.op_execution_context.op_config)
            run = open_stage(context, "train", with_chosen_ops(given, context, "train"))
        manifest = finished(context, run, "train", lambda: context.resources.compute.run(context, "train", run))
        return materialization(manifest, run)

    return train
