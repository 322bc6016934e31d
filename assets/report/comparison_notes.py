"""What a comparison has to say before its numbers are believed, in words; it leaves nothing out of them itself."""

from collections.abc import Iterator, Mapping, Sequence

from assets.report.metric import Scores
from assets.report.pairing import pairs_of, same_simulation
from assets.report.variants import Variant, value_words
from trainer.contract.difference import Change

MOST_CHANGES = 3


def notes_of(variants: Sequence[Variant], found: Mapping[str, Scores]) -> list[str]:
    """Of seeds that have no counterpart, and of simulations that are not the same; `found` are scores by variant."""
    base, *others = variants
    return [note for other in others for note in _of_arm(base, other, found[base.label], found[other.label])]


def other_changes_note(arm: str, changes: Sequence[Change]) -> Iterator[str]:
    """Of differences that are no factor of the spec, and may still be why results differ."""
    shown = "; ".join(f"{each.path}: {value_words(each.a, 40)} → {value_words(each.b, 40)}" for each in changes[:3])
    more = f"; and {len(changes) - MOST_CHANGES} more" if len(changes) > MOST_CHANGES else ""
    if shown:
        yield f"{arm} also differs in code or environment: {shown}{more}."


def _of_arm(base: Variant, arm: Variant, first: Scores, second: Scores) -> Iterator[str]:
    for simulation in first:
        if not (one := first[simulation]) or not (other := second.get(simulation, {})):
            continue
        if not same_simulation(simulation, base, arm):
            words = "its environment differs between the variants: rewards have no common scale and are not compared"
            yield f"{simulation}: {words} ({base.label}, {arm.label})."
        elif alone := sorted(one.keys() ^ other.keys()):
            seeds = ", ".join(map(str, alone))
            yield f"{simulation}: only one of {base.label} and {arm.label} has seed {seeds}: {_used(one, other)}."


def _used(one: Mapping[int, float], other: Mapping[int, float]) -> str:
    if pairs_of(one, other):
        return "it is in that one's mean and not in the difference"
    return "too few are shared for pairs, so all runs of one are held against all of the other (Welch's test)"
