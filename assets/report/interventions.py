"""What monitors and hooks did to a training, for the page of its run; it draws nothing."""

from assets.figures.curve import Mark
from assets.interventions import ended_early
from assets.report.record import RunRecord
from assets.report.verdict import Verdict


def early_end(record: RunRecord) -> list[Verdict]:
    """A sentence where a training that succeeded ended before its last update; nothing where it did not."""
    stop = ended_early(record.train)
    if stop is None:
        return []
    where = "" if stop.iteration is None else f" after update {stop.iteration:,} of {record.spec.trainer.num_updates:,}"
    who = stop.monitor or f"hook {stop.path}"
    return [Verdict("open", f"The training ended early{where}, as {who} asked: {stop.reason}.")]


def marks_of(record: RunRecord) -> list[Mark]:
    """Where on the learning curve monitors fired, each once."""
    found = record.train.interventions if record.train else ()
    marks = {each.path: Mark(each.agent_steps, each.monitor) for each in found if each.monitor and each.agent_steps}
    return list(marks.values())
