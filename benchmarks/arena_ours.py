"""Our training on the arena as `benchmarks.arena_peers` runs it; never a measurement of it."""

import sys

from benchmarks.arena_sizes import EPOCHS, UPDATES_A_TURN, arena_fields
from benchmarks.peer_ours import train


def main(num_envs: int, updates: int, seed: int, num_workers: int = 0) -> None:
    """Train once; with workers apart, so that collecting overlaps learning, and a segment is as long as a turn."""
    apart = {"num_workers": num_workers, "overlap": True} if num_workers else {}
    checkpoint, ppo = {"interval_updates": UPDATES_A_TURN}, {"update_epochs": EPOCHS}
    fields = arena_fields(num_envs, updates, ppo=ppo, checkpoint=checkpoint, **apart)
    train({**fields, "controls": {"seed": seed}})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
