"""Which share of the environments was assigned what, as metrics of an update; it assigns nothing itself."""

from collections import Counter
from collections.abc import Iterable, Sequence

from trainer.ops.slots import Task

PREFIX = "curriculum/"
MOST_KEPT = 64


def shares(tasks: Sequence[Task], before: Iterable[str]) -> dict[str, float]:
    """The share of environments whose next episode has each value: `{"curriculum/arena.combat=1": 0.25}`.

    `before` are the metrics of the update before: a value that no environment has any more has the share 0, as long as
    there are not more than 64 of them. Nothing for the spec's own environment.
    """
    counts = Counter(f"{PREFIX}{path}={_shown(value)}" for task in tasks for path, value in task.items())
    kept = [name for name in before if name.startswith(PREFIX)]
    gone = dict.fromkeys(kept, 0.0) if len(kept) <= MOST_KEPT else {}
    return gone | {name: counts[name] / len(tasks) for name in sorted(counts)}


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
