"""What can be refused before a run exists, although only the trainer's packages know it; it never runs anything."""

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import MappingProxyType

from axiom_dagster.working_directory import working_directory_importable
from trainer.algorithm.overrides import Replacement, imported_sources
from trainer.contract import TrainAndEvalSpec


def check_spec(spec: TrainAndEvalSpec, functions: Mapping[str, Replacement] = MappingProxyType({})) -> None:
    """Refuse environments that cannot be made here and overrides that break the contract of their slot."""
    check_environments(spec)
    check_overrides(spec, functions)


def check_environments(spec: TrainAndEvalSpec) -> None:
    """Refuse environments that cannot be made here; an orchestrator without the trainer's packages leaves it to it."""
    if all(find_spec(package) for package in ("gymnasium", "mettagrid", "numpy")):
        with _root_logger_kept():
            import_module("trainer.entry").preflight(spec)


def check_overrides(spec: TrainAndEvalSpec, functions: Mapping[str, Replacement] = MappingProxyType({})) -> None:
    """Refuse overrides that cannot be loaded here or break the contract of their slot; without torch the trainer will.

    `functions` are the overrides, by path, that exist in this process only; without them nothing is asked of those.
    """
    if spec.overrides and all(find_spec(package) for package in ("torch", "gymnasium", "mettagrid", "numpy")):
        with _root_logger_kept(), working_directory_importable():
            import_module("trainer.entry").check_overrides(spec, functions)


def check_sources(spec: TrainAndEvalSpec) -> None:
    """Refuse imported ops whose module is not found here; none is loaded."""
    imported_sources(spec.overrides)


@contextmanager
def _root_logger_kept() -> Generator[None]:
    # Importing mettagrid gives the root logger a handler, which would print every package's messages.
    handlers, level = logging.root.handlers[:], logging.root.level
    try:
        yield
    finally:
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
