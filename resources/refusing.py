"""Refusals as Dagster failures that no retry repeats; it never decides what is refused."""

from collections.abc import Generator
from contextlib import contextmanager

import dagster as dg

from trainer.contract import Refused


@contextmanager
def refusals_fail_the_step() -> Generator[None]:
    """Turn a `Refused` of the block into a `dg.Failure` with the same text and no retries."""
    try:
        yield
    except Refused as refused:
        raise dg.Failure(description=str(refused), allow_retries=False) from refused
