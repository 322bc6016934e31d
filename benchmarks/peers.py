"""Environment steps per second of ours and of a peer, learning included, and what they learn; they take turns.

The peer runs in an environment of its own, which is made on the first call and kept in the user's cache; the product
never needs it.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path
from statistics import median
from typing import Any

from assets.statistics.estimates import mean
from benchmarks.peer_ours import STEPS
from benchmarks.results import table
from benchmarks.spread import Spread
from benchmarks.turns import Contender

# Torch first and alone, as in our own environment: so its exact version names the CPU build.
INSTALLED = (("torch==2.13.0",), ("stable-baselines3==2.9.2", "gymnasium==1.4.0"))
OURS, SB3 = "axiom_dagster", "stable-baselines3"
SEEDS = (0, 1, 2, 3, 4)
# Updates for each number of environments: enough of them for a median, and at 8 for learning.
LEARNING, SHORT = (8, 98), ((64, 12), (256, 6))

Runs = dict[str, list[dict[str, Any]]]


def peers() -> str:
    """The speed at each size, then the returns at 8 environments."""
    python = environment()
    learned = [race(python, *LEARNING, seed) for seed in SEEDS]
    sizes = {LEARNING[0]: _joined(learned)} | {envs: race(python, envs, updates, 0) for envs, updates in SHORT}
    speed = [row for envs, runs in sizes.items() for row in _speed(envs, runs)]
    returns = [_returns(name, [runs[name][-1]["return"] for runs in learned]) for name in learned[0]]
    versions = ", ".join(word.replace("==", " ") for words in INSTALLED for word in words)
    return (
        f"{table(('environments × steps', 'training', 'steps/s, median (quartiles)', f'times {SB3}'), speed)}\n\n"
        f"CartPole-v1, 4 epochs of 4 minibatches, two networks of 64, 64 with tanh, one thread, all settings alike. "
        f"They take turns, an update each, so what else the machine does hits both alike. "
        f"After {LEARNING[1] * LEARNING[0] * STEPS:,} steps with 8 environments, over {len(SEEDS)} seeds:\n\n"
        f"{table(('training', 'mean return of the last 100 episodes [95 % interval]'), returns)}\n\n"
        f"The peer's environment: {versions}. Not measured: pufferlib-core (3.0.19 neither loads nor builds without "
        f"CUDA) and CleanRL's `ppo.py` (its package, 0.4.8, needs a gym older than Gymnasium)."
    )


def race(python: str, num_envs: int, updates: int, seed: int) -> Runs:
    """What each training tells of each of its updates, the first left out: it holds the start."""
    words = (num_envs, updates, seed)
    contenders = {
        OURS: Contender(sys.executable, "benchmarks.peer_ours", words, os.environ),
        SB3: Contender(python, "benchmarks.peer_sb3", words, os.environ),
    }
    told: Runs = {name: [] for name in contenders}
    for _ in range(updates):
        for name, contender in contenders.items():
            told[name].append(contender.update())
    for contender in contenders.values():
        contender.close()
    return {name: updates[1:] for name, updates in told.items()}


def environment() -> str:
    """The Python of the environment that the peer is installed in."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "axiom_dagster" / "peers"
    python = home / "bin" / "python"
    installed = "\n".join(word for words in INSTALLED for word in words)
    note = home / "installed.txt"
    if not note.exists() or note.read_text() != installed:
        venv.create(home, clear=True, with_pip=True)
        for words in INSTALLED:
            subprocess.run([python, "-m", "pip", "install", "--quiet", *words], check=True)
        note.write_text(installed)
    return str(python)


def _joined(races: list[Runs]) -> Runs:
    return {name: [update for runs in races for update in runs[name]] for name in races[0]}


def _speed(num_envs: int, runs: Runs) -> list[tuple[str, ...]]:
    rates = {name: [num_envs * STEPS / update["seconds"] for update in updates] for name, updates in runs.items()}
    base = median(rates[SB3])
    return [
        (f"{num_envs} × {STEPS}", name, Spread.of(found).shown(1, 0), f"{median(found) / base:.2f}")
        for name, found in rates.items()
    ]


def _returns(name: str, found: list[float]) -> tuple[str, str]:
    return name, str(mean(found))
