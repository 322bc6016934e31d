"""CleanRL's `ppo.py` as `benchmarks.peers` runs it: the installed file, as a program; not a line of it is changed.

It writes its figures to TensorBoard. Here a writer stands there that keeps returns and ends a turn with each update.
"""

import runpy
import sys
from collections import deque
from importlib.util import find_spec
from types import ModuleType

import torch

from benchmarks.turns import Turns

STEPS = 128
RETURN, LAST_OF_AN_UPDATE = "charts/episodic_return", "charts/SPS"


class SummaryWriter:
    """Ends a turn where the program writes its speed, which is the last thing that an update does."""

    def __init__(self, log_dir: str) -> None:
        self._returns: deque[float] = deque(maxlen=100)
        self._turns = Turns()

    def add_text(self, tag: str, text: str) -> None:
        """Nothing."""

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """Keep a return, or end the turn."""
        if tag == RETURN:
            self._returns.append(float(value))
        elif tag == LAST_OF_AN_UPDATE:
            self._turns.end(self._returns)

    def close(self) -> None:
        """Nothing."""


def main(num_envs: int, updates: int, seed: int) -> None:
    """Train once; what is not said here is as the program has it: two networks of 64, 64 with tanh, 4 epochs.

    It halves the value loss, so its weight is 1 where stable-baselines3 has 0.5.
    """
    torch.set_num_threads(1)
    spec = find_spec("cleanrl.ppo")
    assert spec is not None and spec.origin is not None
    writer = ModuleType("torch.utils.tensorboard")
    writer.SummaryWriter = SummaryWriter
    sys.modules[writer.__name__] = writer
    settings = {
        "num-envs": num_envs,
        "num-steps": STEPS,
        "total-timesteps": updates * num_envs * STEPS,
        "seed": seed,
        "cuda": False,
        "clip-vloss": False,
        "vf-coef": 1.0,
    }
    sys.argv = [spec.origin, *(f"--{name}={value}" for name, value in settings.items())]
    runpy.run_path(spec.origin, run_name="__main__")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
