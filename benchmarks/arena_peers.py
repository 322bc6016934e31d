"""Agent-steps per second of ours and of pufferlib-core on the arena, learning included; never what they learn."""

from collections.abc import Sequence
from statistics import median

from benchmarks.arena_sizes import AGENTS, EPOCHS, MINIBATCHES, OURS, STEPS, THEIRS, UPDATES_A_TURN
from benchmarks.environments import PUFFERLIB
from benchmarks.race import Entrant, not_measured, present, race, speed
from benchmarks.results import table

BASE = "pufferlib-core, our network"
SERIAL = f"{BASE}, `Serial`, two threads"
ONE_WORKER, TWO_WORKERS = (f"{BASE}, `Multiprocessing`, {count}" for count in ("one worker", "two workers"))
ENTRANTS = (
    Entrant("axiom_dagster", "benchmarks.arena_ours"),
    Entrant(BASE, "benchmarks.arena_pufferlib", PUFFERLIB, (OURS,)),
    Entrant("pufferlib-core, MettaGrid's network", "benchmarks.arena_pufferlib", PUFFERLIB, (THEIRS,)),
)
ON_TWO_CORES = (
    Entrant("axiom_dagster, one worker, overlap", "benchmarks.arena_ours", words=(1,)),
    Entrant("axiom_dagster, two workers, overlap", "benchmarks.arena_ours", words=(2,)),
    Entrant(SERIAL, "benchmarks.arena_pufferlib", PUFFERLIB, (OURS, 2)),
    Entrant(ONE_WORKER, "benchmarks.arena_pufferlib", PUFFERLIB, (OURS, 1, 1)),
    Entrant(TWO_WORKERS, "benchmarks.arena_pufferlib", PUFFERLIB, (OURS, 1, 2)),
)
TURNS, LONG_TURNS = 9, 4


def against_peers(sizes: Sequence[int]) -> str:
    """A table of trainings in one thread, and one of trainings on two cores, for each number of arenas."""
    _, missing = present(ENTRANTS)
    header = ("agents", "training", "agent-steps/s, median (quartiles)")
    one = [row for num_envs in sizes for row in _in_one_thread(num_envs)]
    two = [row for num_envs in sizes for row in _on_two_cores(num_envs)]
    return (
        f"{table((*header, f'times {BASE}'), [*one, *not_measured(missing)])}\n\n"
        f"The same arena for all, {STEPS} steps, {EPOCHS} epochs of {MINIBATCHES} minibatches, two layers of 128, one "
        f"thread; they take turns, an update each. The peer: {PUFFERLIB.versions}, built without CUDA; MettaGrid's own "
        "wrapper for it (`MettaGridPufferEnv`), stepped one by one in its `Serial`, its trainer left as it is, without "
        "its dashboard. Our network sums a learned row for each token; MettaGrid's (`StatelessPolicyNet`) has a dense "
        "layer on all bytes of the observation, which cannot tell what stands in a cell.\n\n"
        f"{table((*header, 'times the fastest way of the peer'), two)}\n\n"
        f"The same on two cores, in turns of {UPDATES_A_TURN} updates, which end with nothing under way: ours with "
        "processes apart that collect while it learns; the peer in each way that it has to use two cores."
    )


def _in_one_thread(num_envs: int) -> list[tuple[str, ...]]:
    agents = num_envs * AGENTS
    return speed(str(agents), agents * STEPS, race(present(ENTRANTS)[0], num_envs, TURNS, 0), BASE)


def _on_two_cores(num_envs: int) -> list[tuple[str, ...]]:
    agents = num_envs * AGENTS
    runs = race(present(ON_TWO_CORES)[0], num_envs, LONG_TURNS, 0, UPDATES_A_TURN)
    peers = [name for name in (SERIAL, ONE_WORKER, TWO_WORKERS) if name in runs]
    base = min(peers, key=lambda name: median(turn["seconds"] for turn in runs[name]), default=SERIAL)
    return speed(str(agents), agents * STEPS * UPDATES_A_TURN, runs, base)
