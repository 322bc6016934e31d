"""What may honestly be said of a run's results, and of what differs between variants; it computes no statistics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from assets.report.comparison import Against, Comparison
from trainer.contract import Interval, Manifest, SimulationResult

if TYPE_CHECKING:
    from assets.statistics.contrasts import Contrast
    from assets.statistics.estimates import Estimate
    from assets.statistics.verdicts import Word

Tone = Literal["good", "bad", "open"]
TONES: "Mapping[Word, Tone]" = {"better": "good", "worse": "bad", "inconclusive": "open"}


@dataclass(frozen=True)
class Verdict:
    """One sentence, and whether it is good news, bad news, or an open question."""

    tone: Tone
    words: str


def run_verdicts(train: Manifest | None, evaluate: Manifest | None) -> list[Verdict]:
    """How the training ended where it did not end well, then a sentence for each simulation."""
    found: list[Verdict] = []
    if train is None:
        found.append(Verdict("open", "The training has not ended: what stands here is how far it came."))
    elif train.status != "succeeded":
        found.append(Verdict("bad", f"The training {_ended(train)}."))
    if evaluate is None:
        return [*found, Verdict("open", "Not evaluated: how well this agent plays is not known.")]
    if evaluate.status != "succeeded":
        return [*found, Verdict("bad", f"The evaluation {_ended(evaluate)}; there is no result.")]
    if not evaluate.eval_results:
        return [*found, Verdict("open", "Evaluated in no simulation: how well this agent plays is not known.")]
    return [*found, *(_against_random(name, each) for name, each in evaluate.eval_results.items())]


def _ended(manifest: Manifest) -> str:
    words = {"failed": "failed", "cancelled": "was cancelled"}[manifest.status]
    return f"{words}: {manifest.error}" if manifest.error else words


def _against_random(name: str, result: SimulationResult) -> Verdict:
    numbers = f"{interval_words(result.reward)} against {interval_words(result.random_reward)}"
    count = f"{len(result.episodes)} episodes each"
    if not result.apart:
        return Verdict("open", f"{name}: not shown to differ from a random policy: {numbers} ({count}).")
    better = result.reward.mean > result.random_reward.mean
    word, tone = ("better", "good") if better else ("worse", "bad")
    times = f", {result.times_random:.1f} times as much" if better and result.times_random is not None else ""
    return Verdict(tone, f"{name}: {word} than a random policy: {numbers}{times} ({count}).")


def interval_words(interval: Interval) -> str:
    """`5.95 [3.37, 8.54]`."""
    return f"{interval.mean:.3g} [{interval.low:.3g}, {interval.high:.3g}]"


def comparison_verdicts(comparison: Comparison) -> list[Verdict]:
    """A sentence for each arm in each simulation that it was compared in, or why there is none."""
    if comparison.against:
        return [_against_baseline(comparison, each) for each in comparison.against]
    if len(comparison.arms) == 1:
        seeds = "several seeds" if len(comparison.arms[0].runs) > 1 else "one seed"
        return [Verdict("open", f"One variant with {seeds}: there is nothing to compare it with.")]
    words = "No simulation gave results of the baseline and another variant that can be compared"
    return [Verdict("open", f"{words}: which is better is not known.")]


def _against_baseline(comparison: Comparison, against: Against) -> Verdict:
    verdict, contrast, base = against.verdict, against.contrast, comparison.baseline
    start = f"{against.simulation}: {against.arm}"
    numbers = f"{difference_words(contrast.difference)} over {_runs(contrast)}; {verdict.why}"
    if verdict.word != "inconclusive":
        return Verdict(TONES[verdict.word], f"{start} is {verdict.word} than {base}: {numbers}.")
    words = "cannot be told from" if verdict.p_adjusted is None else "is not shown to differ from"
    return Verdict("open", f"{start} {words} {base}: {numbers}.{_would_decide(verdict.seeds)}")


def difference_words(difference: "Estimate") -> str:
    """`+0.31 [-0.02, +0.64]`."""
    low, high = difference.low, difference.high
    ends = "" if low is None or high is None else f" [{low:+.3g}, {high:+.3g}]"
    return f"{difference.value:+.3g}{ends}"


def _runs(contrast: "Contrast") -> str:
    count = contrast.difference.count
    if contrast.paired:
        return f"{count} pair{'' if count == 1 else 's'} of one seed"
    return f"{count} unpaired run{'' if count == 1 else 's'} of each, or more"


def probability_words(found: "Estimate") -> str:
    """`0.61 [0.27, 0.86]`."""
    ends = "" if found.low is None or found.high is None else f" [{found.low:.2f}, {found.high:.2f}]"
    return f"{found.value:.2f}{ends}"


def seeds_words(against: Against) -> str:
    """How many seeds of each arm would decide; an arm about which it is decided needs no more."""
    if against.verdict.word != "inconclusive":
        return "decided"
    return "not known" if against.verdict.seeds is None else f"{against.verdict.seeds:,}"


def _would_decide(seeds: int | None) -> str:
    return (
        "" if seeds is None else f" If that is the difference, {seeds} seeds of each would show it four times in five."
    )
