"""The process's own random numbers: looked at, lent to a trial and put back; never a generator that someone passes."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from trainer.engine.conformance.compare import difference

SEED = 0


@contextmanager
def borrowed_chance() -> Iterator[None]:
    """Every global generator is at its seed inside, and afterwards where it was before."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=devices):
        try:
            seed_all()
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def seed_all() -> None:
    """Put the global generators of this machine's processor to the seed."""
    random.seed(SEED)
    np.random.seed(SEED)
    # torch.manual_seed would also seed a GPU that is not in use yet, when its turn comes: after the trial is over.
    torch.default_generator.manual_seed(SEED)


def global_states() -> dict[str, Any]:
    """Where the global generators are, by the name of their module."""
    return {
        "random": random.getstate(),
        "numpy.random": np.random.get_state(legacy=False),
        "torch": torch.get_rng_state(),
    }


def drawn_by(act: Callable[[], Any]) -> Iterator[str]:
    """Words for the global generators that `act` draws from, if there are any."""
    before = global_states()
    act()
    drawn = [name for name, state in global_states().items() if difference(before[name], state)]
    if drawn:
        yield f"it draws from {', '.join(drawn)}"
