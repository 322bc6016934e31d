"""What can be refused before a run exists, although only the trainer's packages know it; it never runs anything."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec

from trainer.contract import TrainAndEvalSpec


def check_environments(spec: TrainAndEvalSpec) -> None:
    """Refuse environments that cannot be made here; an orchestrator without the trainer's packages leaves it to it."""
    if all(find_spec(package) for package in ("gymnasium", "mettagrid", "numpy")):
        with _root_logger_kept():
            import_module("trainer.entry").preflight(spec)


@contextmanager
def _root_logger_kept() -> Generator[None]:
    # Importing mettagrid gives the root logger a handler, which would print every package's messages.
    handlers, level = logging.root.handlers[:], logging.root.level
    try:
        yield
    finally:
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
