"""Agent-steps per second of ours and of pufferlib-core on the arena, learning included; never what they learn."""

from collections.abc import Sequence

from benchmarks.arena_sizes import AGENTS, EPOCHS, MINIBATCHES, OURS, STEPS, THEIRS, UPDATES_A_TURN
from benchmarks.environments import PUFFERLIB
from benchmarks.race import Entrant, not_measured, present, race, speed
from benchmarks.results import table

BASE = "pufferlib-core, our network"
ENTRANTS = (
    Entrant("axiom_dagster", "benchmarks.arena_ours"),
    Entrant(BASE, "benchmarks.arena_pufferlib", PUFFERLIB, (OURS,)),
    Entrant("pufferlib-core, MettaGrid's network", "benchmarks.arena_pufferlib", PUFFERLIB, (THEIRS,)),
)
ON_TWO_CORES = (
    Entrant("axiom_dagster, one worker, overlap", "benchmarks.arena_ours", words=(1,)),
    Entrant("axiom_dagster, two workers, overlap", "benchmarks.arena_ours", words=(2,)),
    Entrant(f"{BASE}, Serial, two threads", "benchmarks.arena_pufferlib", PUFFERLIB, (OURS, 2)),
    Entrant(f"{BASE}, Multiprocessing, one worker", "benchmarks.arena_pufferlib", PUFFERLIB, (OURS, 1, 1)),
    Entrant(f"{BASE}, Multiprocessing, two workers", "benchmarks.arena_pufferlib", PUFFERLIB, (OURS, 1, 2)),
)
TURNS, LONG_TURNS = 9, 6


def against_peers(sizes: Sequence[int]) -> str:
    """A table of trainings in one thread, and one of trainings on two cores, for each number of arenas."""
    _, missing = present(ENTRANTS)
    header = ("agents", "training", "agent-steps/s, median (quartiles)", f"times {BASE}")
    one = [row for num_envs in sizes for row in _speed(ENTRANTS, num_envs, TURNS, 1)]
    two = [row for num_envs in sizes for row in _speed(ON_TWO_CORES, num_envs, LONG_TURNS, UPDATES_A_TURN)]
    return (
        f"{table(header, [*one, *not_measured(missing)])}\n\n"
        f"The same arena for all, {STEPS} steps, {EPOCHS} epochs of {MINIBATCHES} minibatches, two layers of 128, one "
        f"thread; they take turns, an update each. The peer: {PUFFERLIB.versions}, built without CUDA; MettaGrid's own "
        "wrapper for it (`MettaGridPufferEnv`), stepped one by one in its `Serial`, its trainer left as it is, without "
        "its dashboard. Our network sums a learned row for each token; MettaGrid's (`StatelessPolicyNet`) has a dense "
        "layer on all bytes of the observation, which cannot tell what stands in a cell.\n\n"
        f"{table(header, two)}\n\n"
        f"The same on two cores, in turns of {UPDATES_A_TURN} updates, which end with nothing under way: ours with "
        "processes apart that collect while it learns; the peer with its `Multiprocessing` of two workers, and two "
        "threads that learn."
    )


def _speed(entrants: Sequence[Entrant], num_envs: int, turns: int, updates_a_turn: int) -> list[tuple[str, ...]]:
    agents = num_envs * AGENTS
    runs = race(present(entrants)[0], num_envs, turns, 0, updates_a_turn)
    return speed(str(agents), agents * STEPS * updates_a_turn, runs, BASE)
