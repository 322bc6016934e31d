"""Our training on the arena as `benchmarks.arena_peers` runs it; never a measurement of it."""

import sys

from benchmarks.arena_sizes import EPOCHS, arena_fields
from benchmarks.peer_ours import train


def main(num_envs: int, updates: int, seed: int) -> None:
    """Train once."""
    ppo = {"update_epochs": EPOCHS}
    train({**arena_fields(num_envs, updates, ppo=ppo), "controls": {"seed": seed}})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
