"""Variants compared over their seeds: scores, contrasts with the first, verdicts, effects; it reads and writes no file.

The numbers are those of `assets.statistics`, which is loaded when something is compared and not before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from assets.measure import LEVEL, REWARD, Better
from assets.report.comparison_notes import notes_of, other_changes_note
from assets.report.metric import Scores, scores_of
from assets.report.pairing import pairs_of, same_simulation
from assets.report.variants import Variant, value_words
from trainer.contract import Manifest, Refused
from trainer.contract.difference import Change, difference

if TYPE_CHECKING:
    from assets.statistics.contrasts import Contrast
    from assets.statistics.effects import Effect
    from assets.statistics.estimates import Estimate
    from assets.statistics.verdicts import Verdict


@dataclass(frozen=True)
class Arm:
    """A variant as it was compared: its runs by seed, its factors against the baseline, and what else differs.

    `others` are differences of code and environment between the two runs of the first seed that both arms have.
    """

    name: str
    runs: Mapping[int, str]
    factors: Sequence[Change]
    others: Sequence[Change]


@dataclass(frozen=True)
class Score:
    """An arm in one simulation: each seed's score, their mean and interquartile mean."""

    arm: str
    simulation: str
    scores: Mapping[int, float]
    mean: "Estimate"
    iqm: "Estimate"


@dataclass(frozen=True)
class Against:
    """An arm against the baseline in one simulation, and what may be claimed of it."""

    arm: str
    simulation: str
    contrast: "Contrast"
    improvement: "Estimate"
    verdict: "Verdict"


@dataclass(frozen=True)
class Comparison:
    """All that is known of how the arms of an experiment differ; the first arm is the baseline."""

    name: str
    metric: str
    level: float
    arms: Sequence[Arm]
    scores: Sequence[Score]
    against: Sequence[Against]
    effects: Sequence[tuple[str, "Effect"]]
    notes: Sequence[str]
    better: Better = "higher"
    """Which values of the metric are better."""

    @property
    def baseline(self) -> str:
        """The arm that all others are compared with."""
        return self.arms[0].name

    @property
    def simulations(self) -> list[str]:
        """In the order in which the baseline was evaluated in them."""
        return list(dict.fromkeys(each.simulation for each in self.scores))

    def plain(self) -> dict[str, Any]:
        """The same data as JSON types."""
        arms = [
            {
                "name": arm.name,
                "runs": [{"seed": seed, "run": run} for seed, run in arm.runs.items()],
                "factors": [each.plain() for each in arm.factors],
                "others": [each.plain() for each in arm.others],
            }
            for arm in self.arms
        ]
        scores = [
            {**asdict(each), "scores": {str(seed): value for seed, value in each.scores.items()}}
            for each in self.scores
        ]
        effects = [{"simulation": name, **asdict(effect)} for name, effect in self.effects]
        numbers = {"scores": scores, "against": [asdict(each) for each in self.against], "effects": effects}
        about = {"experiment": self.name, "metric": self.metric, "better": self.better}
        about |= {"level": self.level, "baseline": self.baseline}
        return {**about, "arms": arms, **numbers, "notes": list(self.notes)}


def compared(
    name: str,
    variants: Sequence[Variant],
    metric: str = REWARD,
    level: float = LEVEL,
    notes: Sequence[str] = (),
    better: Better = "higher",
) -> Comparison:
    """Each variant against the first, in each simulation that both have scores in and that is the same for both.

    `variants` have one run a seed; of a metric that none of them reports there are no scores. Raises `Refused` for a
    level outside (0, 0.5].
    """
    if not 0 < level <= 0.5:
        raise Refused.one("level", level, "the chance of a false claim that is taken is above 0 and at most 0.5")
    found = {variant.label: scores_of(variant, metric) for variant in variants}
    scores = [_score(arm, simulation, each, level) for arm in found for simulation, each in found[arm].items() if each]
    against = _against(variants, found, level, higher_is_better=better == "higher")
    arms = [_arm(variants[0], variant) for variant in variants]
    said = [
        *notes,
        *notes_of(variants, found),
        *(note for arm in arms for note in other_changes_note(arm.name, arm.others)),
    ]
    return Comparison(name, metric, level, arms, scores, against, _effects(variants, found, level), said, better)


def is_grid(variants: Sequence[Variant]) -> bool:
    """Whether the variants are every combination of the values of two factors or more."""
    from assets.statistics.effects import is_grid

    return is_grid(_levels(variants)[1])


def _score(arm: str, simulation: str, scores: Mapping[int, float], level: float) -> Score:
    from assets.statistics.estimates import iqm, mean

    values = list(scores.values())
    return Score(arm, simulation, scores, mean(values, level), iqm(values, level))


def _against(
    variants: Sequence[Variant], found: Mapping[str, Scores], level: float, *, higher_is_better: bool
) -> list[Against]:
    """Every contrast that can be made, judged together."""
    from assets.statistics.verdicts import judged

    base, *others = variants
    pairs = [
        (other.label, simulation, found[other.label][simulation], scores)
        for simulation, scores in found[base.label].items()
        for other in others
        if scores and found[other.label].get(simulation) and same_simulation(simulation, base, other)
    ]
    contrasts = [_contrast(arm, scores, level) for *_, arm, scores in pairs]
    verdicts = judged(contrasts, level, higher_is_better=higher_is_better)
    return [
        Against(
            label, simulation, contrast, _improvement(arm, scores, level, higher_is_better=higher_is_better), verdict
        )
        for (label, simulation, arm, scores), contrast, verdict in zip(pairs, contrasts, verdicts, strict=True)
    ]


def _contrast(arm: Mapping[int, float], base: Mapping[int, float], level: float) -> "Contrast":
    """By seed, unless there are too few pairs and enough runs without."""
    from assets.statistics.contrasts import paired, unpaired

    if pairs := pairs_of(arm, base):
        return paired([arm[seed] - base[seed] for seed in pairs], level)
    return unpaired(list(arm.values()), list(base.values()), level)


def _improvement(
    arm: Mapping[int, float], base: Mapping[int, float], level: float, *, higher_is_better: bool
) -> "Estimate":
    import numpy as np

    from assets.statistics.aggregates import improvement_estimate

    higher, lower = (arm, base) if higher_is_better else (base, arm)
    return improvement_estimate(np.array([*higher.values()]), np.array([*lower.values()]), level)


def _levels(variants: Sequence[Variant]) -> tuple[list[str], list[tuple[str, ...]]]:
    """The factors that differ anywhere, and each variant's value of each."""
    changes = [{change.path: change for change in variant.changes} for variant in variants]
    base = {path: change.a for each in changes for path, change in each.items()}
    factors = sorted(base)
    rows = [tuple(_level(each[path].b if path in each else base[path]) for path in factors) for each in changes]
    return factors, rows


def _level(value: Any) -> str:
    return "as declared" if value is None else value_words(value)


def _effects(variants: Sequence[Variant], found: Mapping[str, Scores], level: float) -> list[tuple[str, "Effect"]]:
    """By simulation, where the variants are a grid and each was evaluated there."""
    from assets.statistics.effects import main_effects

    if len(variants) < 4 or not is_grid(variants):
        return []
    factors, rows = _levels(variants)
    effects: list[tuple[str, Effect]] = []
    for simulation in found[variants[0].label]:
        scores = [found[variant.label].get(simulation, {}) for variant in variants]
        if same_simulation(simulation, *variants):
            cells = dict(zip(rows, scores, strict=True))
            effects += [(simulation, each) for each in main_effects(factors, cells, level)]
    return effects


def _arm(base: Variant, variant: Variant) -> Arm:
    runs = {record.spec.controls.seed: record.name for record in variant.records}
    return Arm(variant.label, runs, variant.changes, _other_changes(base, variant))


def _other_changes(base: Variant, variant: Variant) -> tuple[Change, ...]:
    first: dict[int, Manifest | None] = {each.spec.controls.seed: each.train for each in base.records}
    for record in variant.records:
        a, b = first.get(record.spec.controls.seed), record.train
        if variant is not base and a is not None and b is not None:
            found = difference(a, b)
            return (*found.code, *found.environment)
    return ()
