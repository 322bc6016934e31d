"""The asset `compare`: the variants of an experiment over their seeds, with verdicts; it neither trains nor plays."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from assets.code_version import trainer_code_version
from assets.inline import inline_picture
from assets.report.comparison import LEVEL, Better, Comparison
from assets.report.comparison_figures import figures_of
from assets.report.comparison_runs import Found
from assets.report.experiment import Wanted, compared_runs, write_comparison
from assets.report.metric import REWARD
from assets.report.verdict import comparison_verdicts, difference_words, probability_words, seeds_words
from assets.shape import ALONE, Shape
from assets.stage import OWNERS
from resources.refusing import refusals_fail_the_step
from trainer.contract import digest_of

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
        manifests = context.resources.manifests
        with refusals_fail_the_step():
            newest = config.experiment or str(
                manifests.parent(context.instance, context.run.run_id, shape.key(analyze)).manifest.spec["name"]
            )
            wanted = Wanted(
                newest, config.baseline or None, config.metric, config.level, config.single_factor, config.better
            )
            found, comparison = compared_runs(context.instance, manifests.runs, wanted)
            file: Path = manifests.runs.parent / "reports" / f"{newest}-compare.html"
            write_comparison(file, comparison, found, wanted)
        for verdict in comparison_verdicts(comparison):
            context.log.info(verdict.words)
        return _materialization(comparison, found, file)

    return compare


def _materialization(comparison: Comparison, found: Found, file: Path) -> dg.MaterializeResult[Any]:
    words = [each.words for each in comparison_verdicts(comparison)]
    metadata = {
        "verdict": dg.MetadataValue.md("\n".join(f"- {line}" for line in [*words, *comparison.notes])),
        **({"against": _against(comparison)} if comparison.against else {}),
        **({"scores": _scores(comparison)} if comparison.scores else {}),
        **dict(_numbers(comparison)),
        **dict(_pictures(comparison, found)),
        "report": dg.PathMetadataValue(file),
        "experiment": comparison.name,
        "comparison": dg.MetadataValue.json(comparison.plain()),
    }
    return dg.MaterializeResult(metadata=metadata, data_version=dg.DataVersion(digest_of(comparison.plain())))


def _against(comparison: Comparison) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "variant": each.arm,
                    "simulation": each.simulation,
                    "difference": difference_words(each.contrast.difference),
                    "P(better)": probability_words(each.improvement),
                    "p": "–" if each.verdict.p_adjusted is None else f"{each.verdict.p_adjusted:.3g}",
                    "verdict": each.verdict.word,
                    "seeds to decide": seeds_words(each),
                }
            )
            for each in comparison.against
        ]
    )


def _scores(comparison: Comparison) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "variant": each.arm,
                    "simulation": each.simulation,
                    "seeds": each.mean.count,
                    "mean": str(each.mean),
                    "interquartile mean": str(each.iqm),
                }
            )
            for each in comparison.scores
        ]
    )


def _numbers(comparison: Comparison) -> Iterator[tuple[str, float]]:
    """What Dagster plots over materializations."""
    yield "runs", float(sum(len(arm.runs) for arm in comparison.arms))
    for each in comparison.against:
        yield f"{each.simulation}/{each.arm}/difference", each.contrast.difference.value


def _pictures(comparison: Comparison, found: Found) -> Iterator[tuple[str, dg.MarkdownMetadataValue]]:
    for each in figures_of(comparison, found.variants):
        if picture := inline_picture(each.picture.name, each.picture.png()):
            yield each.picture.name, picture
