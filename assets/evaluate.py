"""The stage `evaluate`: a trained agent plays the spec's named simulations; it never trains and never compares."""

from typing import Any

import dagster as dg

from assets.code_version import trainer_code_version
from assets.meanwhile import ANALYSIS, loading
from assets.overridden import resource_keys, with_chosen_ops
from assets.shape import ALONE, Shape
from assets.stage import OWNERS, OfRun, finished, materialization, open_stage
from resources.refusing import refusals_fail_the_step
from trainer.contract import TrainAndEvalSpec

DESCRIPTION = """The trained policy's returns in each named simulation, beside a random policy's on the same seeds.

Means come with 95 % intervals over episodes; `apart` says whether the two intervals do not touch.

Evaluates the policy of its own run. Alone: that of the run it re-executes, else the latest, or by **config** another:

```yaml
ops: {evaluate: {config: {of_run: INSTANCE_NAME}}}
```
"""


def evaluate_asset(name: str = "evaluate", train: str = "train", shape: Shape = ALONE) -> dg.AssetsDefinition:
    """The asset that evaluates what the asset `train` made."""

    @dg.asset(
        name=name,
        key_prefix=shape.prefix,
        deps=[shape.key(train)],
        group_name=shape.group,
        partitions_def=shape.partitions,
        kinds={"python", "pytorch", "mettagrid"},
        owners=OWNERS,
        description=DESCRIPTION,
        code_version=trainer_code_version(),
        required_resource_keys=resource_keys(),
    )
    def evaluate(context: dg.AssetExecutionContext, config: OfRun) -> dg.MaterializeResult[Any]:
        resources = context.resources
        with refusals_fail_the_step():
            trained = resources.manifests.parent(context.instance, context.run.run_id, shape.key(train), config.of_run)
            given = TrainAndEvalSpec.accept(trained.manifest.spec)
            run = open_stage(context, "evaluate", with_chosen_ops(given, context, "evaluate"))
        with loading(*ANALYSIS):
            manifest = finished(
                context, run, "evaluate", lambda: resources.compute.run(context, "evaluate", run, trained.path)
            )
        return materialization(manifest, run, parents={"train": str(trained.path)})

    return evaluate
