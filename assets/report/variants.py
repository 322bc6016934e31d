"""Runs grouped by what differs between their specs: a variant is all but the seed; it reads no file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from assets.report.record import RunRecord
from trainer.contract.difference import Change, factor_changes

MOST_NAMED = 2
LONGEST = 36


@dataclass(frozen=True)
class Variant:
    """Runs of one spec with different seeds, and what sets the variant apart from the first one, by path."""

    label: str
    records: Sequence[RunRecord]
    changes: Sequence[Change] = field(default=())


def variants_of(records: Sequence[RunRecord]) -> list[Variant]:
    """The variants in the order of their first runs, each labelled by its values where any two differ.

    Where more than `MOST_NAMED` values differ a label of them says nothing any more, and the specs' names stand there.
    """
    groups: list[list[RunRecord]] = []
    for record in records:
        group = next((each for each in groups if not factor_changes(each[0].spec, record.spec)), None)
        groups.append([record]) if group is None else group.append(record)
    base = groups[0][0].spec
    found = [{each.path: each for each in factor_changes(base, group[0].spec)} for group in groups]
    paths = sorted({path: None for changes in found for path in changes})
    first = {path: change.a for changes in found for path, change in changes.items()}
    names = [group[0].spec.name for group in groups]
    if len(paths) <= MOST_NAMED:
        names = [_label(paths, first, changes) or name for changes, name in zip(found, names, strict=True)]
    return [
        Variant(label, sorted(group, key=_seed), tuple(changes.values()))
        for label, group, changes in zip(_unique(names), groups, found, strict=True)
    ]


def value_words(value: Any, longest: int = 200) -> str:
    """A value in a few words: the override `{vtrace: {rho_clip: 1.0}}` as `vtrace rho_clip 1.0`, a digest cut short."""
    if value is None:
        return "none"
    words = f"{value:.4g}" if isinstance(value, float) else _op_words(value)
    if words.startswith("sha256:"):
        return f"{words[:19]}…"
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def _op_words(value: Any) -> str:
    match value:
        case {**choice} if len(choice) == 1 and isinstance(params := next(iter(choice.values())), dict):
            given = cast("dict[str, Any]", params)
            return " ".join([*choice, *(f"{key} {each}" for key, each in given.items())])
        case _:
            return str(value)


def _label(paths: Sequence[str], first: dict[str, Any], changes: dict[str, Change]) -> str:
    """`learning_rate 0.001, compute_advantage as declared`."""
    values = {path: changes[path].b if path in changes else first[path] for path in paths}
    return ", ".join(f"{path.rpartition('.')[2]} {_short(value)}" for path, value in values.items())


def _short(value: Any) -> str:
    return "as declared" if value is None else value_words(value, LONGEST)


def _unique(labels: Sequence[str]) -> list[str]:
    """The labels, those that are equal numbered: what they shorten may differ only further on."""
    numbered = ((label, labels[: place + 1].count(label)) for place, label in enumerate(labels))
    return [f"{label} ({number})" if labels.count(label) > 1 else label for label, number in numbered]


def _seed(record: RunRecord) -> int:
    return record.spec.controls.seed
