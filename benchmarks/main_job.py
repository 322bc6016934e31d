"""The main job and the quick one through `axiom run`: wall time and what was learned against a random policy."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.results import table

PRESETS = ("arena", "quick")


def main_job() -> str:
    """One row for each simulation of each preset."""
    rows = [row for preset in PRESETS for row in _rows(preset)]
    header = ("job", "whole job", "simulation", "mean reward [95 % interval]", "random policy", "times random", "apart")
    return table(header, rows)


def _rows(preset: str) -> list[tuple[str, ...]]:
    with tempfile.TemporaryDirectory() as home:
        start = time.perf_counter()
        command = [str(Path(sys.executable).with_name("axiom")), "run", preset, "--json"]
        done = subprocess.run(command, env=_environment(home), check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - start
    results = json.loads(done.stdout.splitlines()[-1])["manifest"]["eval_results"]
    return [(preset, f"{seconds:.0f} s", name, *_cells(result)) for name, result in results.items()]


def _cells(result: dict[str, Any]) -> tuple[str, ...]:
    agent, random = result["reward"], result["random_reward"]
    apart = agent["low"] > random["high"]
    ratio = f"{agent['mean'] / random['mean']:.1f}"
    return (_interval(agent), _interval(random), ratio, "yes" if apart else "no")


def _interval(interval: dict[str, float]) -> str:
    return f"{interval['mean']:.2f} [{interval['low']:.2f}, {interval['high']:.2f}]"


def _environment(home: str) -> dict[str, str]:
    return os.environ | {"AXIOM_HOME": home}
