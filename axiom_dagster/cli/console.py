"""Shows a run on the terminal as its stages' own words, in place of Dagster's event lines; the run's log keeps all."""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

Show = Callable[[str, str], None]
CHATTER = "[pipes] "


@contextmanager
def stage_words(show: Show) -> Generator[None]:
    """While the block runs, `show(stage, words)` takes what Dagster's console loggers would print.

    Dagster makes its console logger from logging's logger class: the one place where it can be replaced from outside.
    """

    class WordsLogger(logging.Logger):
        def handle(self, record: logging.LogRecord) -> None:
            meta: dict[str, Any] | None = getattr(record, "dagster_meta", None)
            if meta is None:
                super().handle(record)
            elif not str(meta["orig_message"]).startswith(CHATTER):
                show(str(meta.get("step_key") or "run"), str(meta["orig_message"]))

    before = logging.getLoggerClass()
    logging.setLoggerClass(WordsLogger)
    try:
        yield
    finally:
        logging.setLoggerClass(before)
