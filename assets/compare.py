"""The asset `compare`: the variants of an experiment over their seeds, with verdicts; it neither trains nor plays."""

from typing import Any

import dagster as dg
from pydantic import Field

from assets.code_version import trainer_code_version
from assets.measure import LEVEL, REWARD, Better
from assets.shape import ALONE, Shape
from assets.stage import OWNERS
from resources.refusing import refusals_fail_the_step

DESCRIPTION = """How the variants of an experiment differ over their seeds: `better`, `worse` or `inconclusive`.

Compares the experiment of the newest analysis, or by **config** another one:

```yaml
ops: {compare: {config: {experiment: NAME, baseline: VARIANT, metric: reward, level: 0.05}}}
```

The same as `axiom compare NAME`; the job `train_and_eval` does not run it.
"""


class CompareConfig(dg.Config):
    """What is compared with what, by which measure."""

    experiment: str = Field(default="", description="The name that the runs share. Empty: that of the newest analysis.")
    baseline: str = Field(default="", description="The variant the others are held against. Empty: the first.")
    metric: str = Field(default=REWARD, description="A number of evaluation or training.")
    better: Better = Field(default="higher", description="Which of its values are better.")
    level: float = Field(default=LEVEL, description="The chance of a false claim that is taken, in (0, 0.5].")
    single_factor: bool = Field(default=True, description="Refuse arms of several factors that are no grid.")


def compare_asset(name: str = "compare", analyze: str = "analyze", shape: Shape = ALONE) -> dg.AssetsDefinition:
    """The asset that compares the runs whose last stage is the asset `analyze`."""

    @dg.asset(
        name=name,
        key_prefix=shape.prefix,
        deps=[shape.key(analyze)],
        group_name=shape.group,
        kinds={"python", "scipy"},
        owners=OWNERS,
        description=DESCRIPTION,
        code_version=trainer_code_version(),
        required_resource_keys={"manifests"},
    )
    def compare(context: dg.AssetExecutionContext, config: CompareConfig) -> dg.MaterializeResult[Any]:
        from assets.comparison import compare_in
        from assets.report.experiment import Wanted

        experiment = config.experiment or _newest(context, shape.key(analyze))
        wanted = Wanted(
            experiment, config.baseline or None, config.metric, config.level, config.single_factor, config.better
        )
        return compare_in(context, wanted)

    return compare


def _newest(context: dg.AssetExecutionContext, analyze: dg.AssetKey) -> str:
    """The experiment of the newest analysis."""
    with refusals_fail_the_step():
        newest = context.resources.manifests.parent(context.instance, context.run.run_id, analyze)
        return str(newest.manifest.spec["name"])
