"""What a run says, as it says it, read from Dagster's event log: the one place that every run writes to.

So a run can be followed from any process that reaches the instance, wherever it computes; it never changes the run.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg

from axiom_dagster.run_handle import RunHandle

CHATTER = "[pipes] "
ENDED = ("succeeded", "failed", "cancelled")
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Words:
    """One thing that a run said: which step (`run`: none), what, and when (seconds since 1970)."""

    step: str
    text: str
    at: float


def followed(handle: RunHandle, poll_seconds: float = POLL_SECONDS) -> Iterator[list[Words]]:
    """All that the run has said, then what it says further, until it has ended; an empty list where it is silent."""
    cursor: str | None = None
    while True:
        # Asked before the log is read: what is said between the two questions is read all the same.
        ended = handle.status in ENDED
        said, cursor = words_since(handle, cursor)
        yield said
        if ended:
            return
        time.sleep(poll_seconds)


def words_since(handle: RunHandle, cursor: str | None) -> tuple[list[Words], str | None]:
    """What the run has said since the cursor (none: all of it), and the cursor of now."""
    said, more = list[Words](), True
    while more:
        page = handle.instance.get_records_for_run(handle.run_id, cursor)
        cursor, more = page.cursor, page.has_more
        said += [words for record in page.records if (words := _words(record.event_log_entry))]
    return said, cursor


def _words(entry: dg.EventLogEntry) -> Words | None:
    """What `axiom run` shows too: no events of Dagster's own, but its errors."""
    quiet = int(entry.level) < (logging.ERROR if entry.is_dagster_event else logging.INFO)
    if quiet or not entry.user_message or entry.user_message.startswith(CHATTER):
        return None
    return Words(entry.step_key or "run", entry.user_message, entry.timestamp)
