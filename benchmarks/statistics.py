"""How often intervals cover and verdicts are false, by simulated experiments; always the same ones."""

import numpy as np
from scipy.stats import trim_mean

from assets.statistics.aggregates import improvement_estimate
from assets.statistics.contrasts import paired, unpaired
from assets.statistics.estimates import iqm_interval, mean_interval
from assets.statistics.verdicts import judged
from benchmarks.results import table

SEEDS = (3, 5, 10, 20)
EXPERIMENTS, TESTS, RESAMPLES = 20_000, 2_000, 1_000
SCORES = {
    "normal": lambda draws: draws,
    "skewed (log-normal)": np.exp,
    "at a cap (half of the runs)": lambda draws: np.minimum(draws, 0.0),
}


def statistics() -> str:
    """Coverage of 95 % intervals, then false verdicts at the level 0.05, each for 3, 5, 10 and 20 seeds."""
    header = tuple(f"{seeds} seeds" for seeds in SEEDS)
    covering = [row for name in list(SCORES)[:2] for row in _coverage(name)]
    covering += [
        _cells(f"P(better), {words}", shift, _improvement) for words, shift in (("equal", 0.0), ("a spread apart", 1.0))
    ]
    covering.append(_cells("percentile bootstrap of the IQM, normal, for comparison", None, _bootstrap))
    false = [_cells(f"paired, {name}", name, _false_paired) for name in SCORES]
    false.append(_cells("unpaired (Welch), normal", "normal", _false_unpaired))
    return (
        f"Of {EXPERIMENTS:,} simulated experiments ({TESTS:,} for P(better) and the bootstrap), "
        f"how many intervals cover:\n\n"
        f"{table(('95 % interval', *header), covering)}\n\n"
        f"Of {TESTS:,} simulated A/A tests, how many give a verdict other than `inconclusive` at the level 0.05:\n\n"
        f"{table(('verdict', *header), false)}"
    )


def _cells(words, given, measured) -> tuple[str, ...]:
    return (words, *(f"{100 * measured(given, seeds):.1f} %" for seeds in SEEDS))


def _coverage(name: str) -> list[tuple[str, ...]]:
    return [
        _cells(f"{words}, {name}", (name, kind), _covering)
        for words, kind in (("mean", "mean"), ("IQM", "iqm"), ("difference by seed", "difference"))
    ]


def _covering(given, seeds: int) -> float:
    name, kind = given
    scores = SCORES[name](_draws(seeds, EXPERIMENTS))
    truth = {"mean": _truth(name, 0.0), "iqm": _truth(name, 0.25), "difference": 0.0}[kind]
    scores = scores[0] - scores[1] if kind == "difference" else scores[0]
    _, low, high = (iqm_interval if kind == "iqm" else mean_interval)(scores)
    return float(((low <= truth) & (truth <= high)).mean())


def _truth(name: str, cut: float) -> float:
    """Of the distribution itself: the mean of its quantiles, evenly spaced, those at the ends cut off."""
    from scipy.special import ndtri

    quantiles = ndtri((np.arange(2_000_000) + 0.5) / 2_000_000)
    return float(trim_mean(SCORES[name](quantiles), cut))


def _improvement(shift: float, seeds: int) -> float:
    from scipy.special import ndtr

    truth, draws = float(ndtr(shift / np.sqrt(2))), _draws(seeds, TESTS)
    found = [improvement_estimate(one + shift, other) for one, other in zip(*draws, strict=True)]
    return float(np.mean([each.low <= truth <= each.high for each in found]))


def _bootstrap(_: None, seeds: int) -> float:
    generator = np.random.default_rng(seeds)
    covered = 0
    for scores in _draws(seeds, TESTS)[0]:
        resampled = generator.choice(scores, (RESAMPLES, seeds))
        low, high = np.quantile(iqm_interval(resampled)[0], [0.025, 0.975])
        covered += low <= 0.0 <= high
    return covered / TESTS


def _false_paired(name: str, seeds: int) -> float:
    one, other = SCORES[name](_draws(seeds, TESTS))
    return float(np.mean([_claims(paired(list(difference))) for difference in one - other]))


def _false_unpaired(name: str, seeds: int) -> float:
    draws = SCORES[name](_draws(seeds, TESTS))
    return float(np.mean([_claims(unpaired(list(one), list(other))) for one, other in zip(*draws, strict=True)]))


def _claims(contrast) -> bool:
    return judged([contrast])[0].word != "inconclusive"


def _draws(seeds: int, experiments: int) -> np.ndarray:
    """Normal scores of two variants, `(2, experiments, seeds)`."""
    return np.random.default_rng(seeds).normal(size=(2, experiments, seeds))
