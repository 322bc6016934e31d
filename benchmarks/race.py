"""Trainings of ours and of peers that take turns, so that what else the machine does hits all alike."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.environments import Environment, NotInstalled
from benchmarks.spread import Spread
from benchmarks.turns import Contender

Runs = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Entrant:
    """A module that trains in turn, and the environment that it needs; none: ours."""

    name: str
    module: str
    environment: Environment | None = None
    words: tuple[int, ...] = ()

    def enter(self, num_envs: int, updates: int, seed: int) -> Contender:
        """Start it."""
        python = self.environment.python() if self.environment else sys.executable
        return Contender(python, self.module, (num_envs, updates, seed, *self.words), os.environ)


def present(entrants: Sequence[Entrant]) -> tuple[list[Entrant], dict[str, str]]:
    """Those whose environment is made, and why the others are not."""
    made: list[Entrant] = []
    missing: dict[str, str] = {}
    for entrant in entrants:
        try:
            if entrant.environment:
                entrant.environment.python()
            made.append(entrant)
        except NotInstalled as error:
            missing[entrant.name] = str(error)
    return made, missing


def race(entrants: Sequence[Entrant], num_envs: int, turns: int, seed: int, updates_a_turn: int = 1) -> Runs:
    """What each training tells of each of its turns, the first left out: it holds the start."""
    contenders = {entrant.name: entrant.enter(num_envs, turns * updates_a_turn, seed) for entrant in entrants}
    told: Runs = {name: [] for name in contenders}
    for _ in range(turns):
        for name, contender in contenders.items():
            updates = [contender.update() for _ in range(updates_a_turn)]
            told[name].append({**updates[-1], "seconds": sum(update["seconds"] for update in updates)})
    for contender in contenders.values():
        contender.close()
    return {name: turns[1:] for name, turns in told.items()}


def joined(races: Sequence[Runs]) -> Runs:
    """All turns of several races."""
    return {name: [turn for runs in races for turn in runs[name]] for name in races[0]}


def speed(what: str, steps: int, runs: Runs, base: str) -> list[tuple[str, ...]]:
    """A row for each training: `steps` a turn over its seconds, and how many times `base` that is, if it ran."""
    rates = {name: [steps / turn["seconds"] for turn in turns] for name, turns in runs.items()}
    return [
        (
            what,
            name,
            Spread.of(found).shown(1, 0),
            f"{median(found) / median(rates[base]):.2f}" if base in rates else "",
        )
        for name, found in rates.items()
    ]


def not_measured(missing: Mapping[str, str]) -> list[tuple[str, ...]]:
    """A row for each training that did not run."""
    return [("", name, f"not measured: {why}", "") for name, why in missing.items()]
