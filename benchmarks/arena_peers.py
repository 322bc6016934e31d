"""Agent-steps per second of ours and of pufferlib-core on the arena, learning included; never what they learn."""

from collections.abc import Sequence

from benchmarks.arena_sizes import AGENTS, EPOCHS, MINIBATCHES, OURS, STEPS, THEIRS
from benchmarks.environments import PUFFERLIB
from benchmarks.race import Entrant, not_measured, present, race, speed
from benchmarks.results import table

BASE = "pufferlib-core, our network"
ENTRANTS = (
    Entrant("axiom_dagster", "benchmarks.arena_ours"),
    Entrant(BASE, "benchmarks.arena_pufferlib", PUFFERLIB, (OURS,)),
    Entrant("pufferlib-core, MettaGrid's network", "benchmarks.arena_pufferlib", PUFFERLIB, (THEIRS,)),
)
UPDATES = 9


def against_peers(sizes: Sequence[int]) -> str:
    """The table, for each number of arenas."""
    entrants, missing = present(ENTRANTS)
    races = {num_envs * AGENTS: race(entrants, num_envs, UPDATES, 0) for num_envs in sizes}
    rows = [row for agents, runs in races.items() for row in speed(str(agents), agents * STEPS, runs, BASE)]
    header = ("agents", "training", "agent-steps/s, median (quartiles)", f"times {BASE}")
    return (
        f"{table(header, [*rows, *not_measured(missing)])}\n\n"
        f"The same arena for all, {STEPS} steps, {EPOCHS} epochs of {MINIBATCHES} minibatches, two layers of 128, one "
        f"thread; they take turns, an update each. The peer: {PUFFERLIB.versions}, built without CUDA; MettaGrid's own "
        "wrapper for it (`MettaGridPufferEnv`), stepped one by one in its `Serial`, its trainer left as it is, without "
        "its dashboard. Our network sums a learned row for each token; MettaGrid's (`StatelessPolicyNet`) has a dense "
        "layer on all bytes of the observation, which cannot tell what stands in a cell."
    )
