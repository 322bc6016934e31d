"""The step `compare`: the runs of an experiment compared, its page written, and what Dagster shows of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from assets.inline import inline_picture
from assets.report.comparison import Comparison
from assets.report.comparison_figures import figures_of
from assets.report.comparison_runs import Found
from assets.report.experiment import Wanted, compared_runs, write_comparison
from assets.report.verdict import comparison_verdicts, difference_words, probability_words, seeds_words
from resources.refusing import refusals_fail_the_step
from trainer.contract import digest_of


def compare_in(context: dg.AssetExecutionContext, wanted: Wanted) -> dg.MaterializeResult[Any]:
    """What is wanted, compared in a step; what cannot be compared fails it, with the reason."""
    runs: Path = context.resources.manifests.runs
    with refusals_fail_the_step():
        found, comparison = compared_runs(context.instance, runs, wanted)
        file = runs.parent / "reports" / f"{wanted.experiment}-compare.html"
        write_comparison(file, comparison, found, wanted)
    for verdict in comparison_verdicts(comparison):
        context.log.info(verdict.words)
    return _materialization(comparison, found, file)


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
