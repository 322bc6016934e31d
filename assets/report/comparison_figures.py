"""The figures of a comparison, each with what has to be said beside it; their numbers come with the comparison."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assets.figures import Curve, Picture, seeds_curve
from assets.figures.curve import REWARD
from assets.figures.forest import Row, forest
from assets.figures.profile import performance_profiles
from assets.figures.seeds import MIDDLES
from assets.figures.series import series_of
from assets.report.comparison import Comparison
from assets.report.record import RunRecord
from assets.report.variants import Variant
from assets.report.verdict import TONES

FEWEST_FOR_MIDDLE = 5  # of three seeds it is the mean, whose curve is there already; of four, two values are left


@dataclass(frozen=True)
class Shown:
    """A picture, its title, and what it does not show by itself."""

    title: str
    picture: Picture
    notes: tuple[str, ...] = ()


def figures_of(comparison: Comparison, variants: Sequence[Variant]) -> Iterator[Shown]:
    """Those for which there is something to draw."""
    curves = _curves(variants)
    if comparison.against:
        yield Shown("Difference from the baseline", _differences(comparison))
        yield Shown("Probability of improvement", _improvements(comparison))
    if comparison.effects:
        yield Shown("Effect of each factor", _effects(comparison))
    yield Shown("Learning curves", seeds_curve(curves), tuple(_curve_notes(variants)))
    if any(len(variant.records) >= FEWEST_FOR_MIDDLE for variant in variants):
        yield Shown("Sample efficiency", seeds_curve(curves, MIDDLES))
    if comparison.scores:
        yield Shown("Performance profile", _profiles(comparison))


def environments_of(variants: Sequence[Variant]) -> list[str]:
    """The environment that each variant learned in; those of one id that differ in parameters are numbered."""
    used = [variant.records[0].spec.trainer.curriculum.env for variant in variants]
    names: list[str] = []
    for each in used:
        others = [other for place, other in enumerate(used) if other.id == each.id and other not in used[:place]]
        names.append(f"{each.id} ({others.index(each) + 1})" if len(others) > 1 else each.id)
    return names


def _curves(variants: Sequence[Variant]) -> list[Curve]:
    return [
        Curve(variant.label, record.spec.controls.seed, environment, series_of(record.rows, *REWARD))
        for variant, environment in zip(variants, environments_of(variants), strict=True)
        for record in variant.records
        if not _stopped(record)
    ]


def _stopped(record: RunRecord) -> bool:
    """Whether its training ended before its time: its curve would cut the variant's off where it stops."""
    return record.train is not None and record.train.status != "succeeded"


def _curve_notes(variants: Sequence[Variant]) -> list[str]:
    alone = [each.label for each in variants if len(each.records) == 1]
    notes = [f"{label}: one seed: no interval." for label in alone]
    records = [each for variant in variants for each in variant.records]
    notes += [f"{each.name} did not train to its end and has no curve." for each in records if _stopped(each)]
    silent = [each.name for each in records if not _stopped(each) and series_of(each.rows, *REWARD).empty]
    return [*notes, *(f"{name} finished no episode and has no curve." for name in silent)]


def _differences(comparison: Comparison) -> Picture:
    panels: dict[str, list[Row]] = {}
    for each in comparison.against:
        found = each.contrast.difference
        row = Row(each.arm, found.value, found.low, found.high, TONES[each.verdict.word])
        panels.setdefault(each.simulation, []).append(row)
    label = f"{comparison.metric}, less that of {comparison.baseline}"
    return forest("differences", f"Differences from {comparison.baseline} with their intervals", panels, 0.0, label)


def _improvements(comparison: Comparison) -> Picture:
    panels: dict[str, list[Row]] = {}
    for each in comparison.against:
        found = each.improvement
        row = Row(each.arm, found.value, found.low, found.high, TONES[each.verdict.word])
        panels.setdefault(each.simulation, []).append(row)
    label = f"probability that a run beats one of {comparison.baseline}"
    return forest("improvement", "Probability of improvement with its intervals", panels, 0.5, label, (0.0, 1.0))


def _effects(comparison: Comparison) -> Picture:
    panels: dict[str, list[Row]] = {}
    for simulation, effect in comparison.effects:
        label, found = f"{effect.factor}\n{effect.base} → {effect.value}", effect.estimate
        panels.setdefault(simulation, []).append(Row(label, found.value, found.low, found.high))
    words = "Effect of each factor over all values of the others, with its intervals"
    return forest("effects", words, panels, 0.0, f"{comparison.metric}, less that at the baseline's value")


def _profiles(comparison: Comparison) -> Picture:
    panels: dict[str, dict[str, list[float]]] = {}
    for each in comparison.scores:
        panels.setdefault(each.simulation, {})[each.arm] = list(each.scores.values())
    return performance_profiles(panels, comparison.metric)
