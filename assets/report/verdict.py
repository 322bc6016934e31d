"""What may honestly be said of a run's results, and of what differs between variants; it computes no statistics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from assets.figures import Mean
from trainer.contract import Interval, Manifest, SimulationResult

Tone = Literal["good", "bad", "open"]


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


def comparison_verdicts(simulation: str, means: Mapping[str, Mean]) -> list[Verdict]:
    """Each variant against the first, over their seeds, in one simulation."""
    (base, first), *others = means.items()
    return [_against_first(simulation, base, first, variant, mean) for variant, mean in others]


def _against_first(simulation: str, base: str, first: Mean, variant: str, mean: Mean) -> Verdict:
    numbers = f"{mean} against {first}"
    apart = mean.apart(first)
    if apart is None:
        return Verdict("open", f"{simulation}: {variant} cannot be told from {base}: {numbers}.")
    seeds = f"{mean.count} and {first.count} seeds"
    if not apart:
        return Verdict("open", f"{simulation}: {variant} not shown to differ from {base}: {numbers} ({seeds}).")
    word, tone = ("higher", "good") if mean.mean > first.mean else ("lower", "bad")
    return Verdict(tone, f"{simulation}: {variant} is {word} than {base}: {numbers} ({seeds}, intervals apart).")
