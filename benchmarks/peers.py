"""Environment steps per second of ours and of peers, learning included, and what they learn; they take turns.

Each peer runs in an environment of its own. One that cannot be made is a row that says why, never a failure.
"""

from assets.statistics.estimates import mean
from benchmarks.environments import CLEANRL, PUFFERLIB, SB3
from benchmarks.peer_ours import STEPS
from benchmarks.race import Entrant, joined, not_measured, present, race, speed
from benchmarks.results import table

BASE = "stable-baselines3"
ENTRANTS = (
    Entrant("axiom_dagster", "benchmarks.peer_ours"),
    Entrant(BASE, "benchmarks.peer_sb3", SB3),
    Entrant("CleanRL's `ppo.py`", "benchmarks.peer_cleanrl", CLEANRL),
    Entrant("pufferlib-core", "benchmarks.peer_pufferlib", PUFFERLIB),
)
SEEDS = (0, 1, 2, 3, 4)
# Updates for each number of environments: enough of them for a median, and at 8 for learning.
LEARNING, SHORT = (8, 98), ((64, 12), (256, 6))


def peers() -> str:
    """The speed at each size, then the returns at 8 environments."""
    entrants, missing = present(ENTRANTS)
    learned = [race(entrants, *LEARNING, seed) for seed in SEEDS]
    sizes = {LEARNING[0]: joined(learned)} | {envs: race(entrants, envs, updates, 0) for envs, updates in SHORT}
    rows = [row for envs, runs in sizes.items() for row in speed(f"{envs} × {STEPS}", envs * STEPS, runs, BASE)]
    returns = [_returns(name, [runs[name][-1]["return"] for runs in learned]) for name in learned[0]]
    header = ("environments × steps", "training", "steps/s, median (quartiles)", f"times {BASE}")
    return (
        f"{table(header, [*rows, *not_measured(missing)])}\n\n"
        f"CartPole-v1, 4 epochs of 4 minibatches, two networks of 64, 64 with tanh, one thread, settings alike. "
        f"They take turns, an update each, so what else the machine does hits all alike. "
        f"After {LEARNING[1] * LEARNING[0] * STEPS:,} steps with 8 environments, over {len(SEEDS)} seeds:\n\n"
        f"{table(('training', 'mean return of the last 100 episodes [95 % interval]'), returns)}\n\n"
        f"{_notes()}"
    )


def _returns(name: str, found: list[float]) -> tuple[str, str]:
    return name, str(mean(found))


def _notes() -> str:
    return (
        f"Each peer has an environment of its own. {BASE}: {SB3.versions}.\n\n"
        f"CleanRL: {CLEANRL.versions}; the package's own `ppo.py`, unchanged, on the gym that it was written for. A "
        "writer that keeps returns stands in for TensorBoard's; of the episodes that end in a step it is told one.\n\n"
        f"pufferlib-core: {PUFFERLIB.versions}, built without CUDA. Its trainer is left as it is: V-trace in place of "
        "GAE, minibatches of whole segments, a rate that falls as a cosine. Its dashboard is left out."
    )
