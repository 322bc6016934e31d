"""Makes Ctrl-C cancel the run of this process: without a word, Dagster takes it for a crash and tries again."""

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from resources.home import dagster_instance
from trainer.contract.processes import PROCESS_TAG, this_process


@contextmanager
def interrupts_cancel() -> Generator[None]:
    """While the block runs, an interrupt also marks the runs of this process as being cancelled by their user.

    Dagster replaces signal handlers while it executes, so this listens where handlers have no say: at the wake-up
    descriptor, from a thread. For the main thread only.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer)
    listener = threading.Thread(target=_listen, args=(reader,), daemon=True)
    listener.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)
        listener.join()
        os.close(reader)


def _listen(reader: int) -> None:
    while number := os.read(reader, 1):
        if number[0] in (signal.SIGINT, signal.SIGTERM):
            _mark_cancelling()


def _mark_cancelling() -> None:
    with dagster_instance() as instance:
        own = dg.RunsFilter(tags={PROCESS_TAG: this_process()}, statuses=[dg.DagsterRunStatus.STARTED])
        for run in instance.get_runs(filters=own):
            instance.report_run_canceling(run, "interrupted at the terminal")
