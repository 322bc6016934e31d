"""What Dagster adds to a run: its time against the same stages by `python -m trainer`, commands that wait, memory.

Runs take turns, so that other processes' work is in both. What is added holds the start of Dagster, its records and the
whole stage `analyze`, which `python -m trainer` does not have. One round before all makes the home and is not counted.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.fresh import BIN, Cost, cost, usual
from benchmarks.results import table
from trainer.contract import TrainAndEvalSpec, save_experiment_spec

ROUNDS, COMMAND_ROUNDS = 5, 7
CARTPOLE = {
    "name": "orchestrated",
    "trainer": {
        "total_timesteps": 8192,
        "batch_size": 1024,
        "minibatch_size": 256,
        "curriculum": {"env": {"id": "CartPole-v1"}},
        "simulation": {"num_episodes": 5},
    },
    "wandb": {"mode": "disabled"},
}
LONGER = {**CARTPOLE, "trainer": {**CARTPOLE["trainer"], "total_timesteps": 131_072}}
SERVER = "import axiom_dagster.definitions as d; d.defs.get_repository_def(); print(flush=True); input()"


def orchestration() -> str:
    """The table; each row says what it may be at most."""
    with TemporaryDirectory() as folder:
        spec = save_experiment_spec(TrainAndEvalSpec.accept(CARTPOLE), Path(folder) / "spec.yaml")
        longer = save_experiment_spec(TrainAndEvalSpec.accept(LONGER), Path(folder) / "longer.yaml")
        home = usual(AXIOM_HOME=folder)
        run, runs = ("axiom", "run", str(spec)), Path(folder) / "runs"
        rounds = [(_bare(spec, runs / f"bare-{n}"), cost(run, home)) for n in range(1 + ROUNDS)][1:]
        asked = (("axiom", "--help"), (*run, "--no-launch"))
        commands = [[cost(words, home) for words in asked] for _ in range(COMMAND_ROUNDS)]
        megabytes = _waiting(longer, home)
    bare, whole = zip(*rounds, strict=True)
    helps, shows = zip(*commands, strict=True)
    more = [through - alone for alone, through in rounds]
    return table(
        ("what", "median (range)", "at most"),
        [
            ("train and evaluate by `python -m trainer`", _shown(bare), ""),
            ("train, evaluate and analyze by `axiom run`", _shown(whole), ""),
            ("… more, of the same round", _shown(more), "6 s"),
            ("… more CPU time, of the same round", _range([each.processor for each in more]), ""),
            ("`axiom run --no-launch`", _shown(shows), "2 s"),
            ("`axiom --help`", _shown(helps), "0.5 s"),
            ("memory of `axiom run` while its training runs", f"{megabytes:.0f} MB", "250 MB"),
            ("memory of a process that serves the definitions", f"{_serving():.0f} MB", "250 MB"),
        ],
    )


def _bare(spec: Path, run: Path) -> Cost:
    """Of a training and its evaluation without Dagster."""
    begin = ("python", "-m", "trainer", "train", "--run-dir", str(run), "--spec", str(spec))
    return cost(begin, usual()) + cost(("python", "-m", "trainer", "evaluate", "--run-dir", str(run)), usual())


def _waiting(spec: Path, environment: Mapping[str, str]) -> float:
    """The most megabytes that `axiom run` holds, itself, until its training has ended."""
    runs = Path(environment["AXIOM_HOME"]) / "runs"
    before, most = len(_trained(runs)), 0.0
    command = [str(BIN / "axiom"), "run", str(spec)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while len(_trained(runs)) == before and process.poll() is None:
            most = max(most, _resident(process.pid))
            time.sleep(0.05)
    assert process.returncode == 0
    return most


def _trained(runs: Path) -> list[Path]:
    return list(runs.glob("orchestrated-*/train/manifest.json"))


def _serving() -> float:
    """Megabytes of a process that has loaded every definition, as a code server has, and waits."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", SERVER], env=usual(), stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        held = _resident(process.pid)
        process.stdin.write(b"\n")
    return held


def _resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _shown(costs: Sequence[Cost]) -> str:
    return _range([each.clock for each in costs])


def _range(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.2f} s ({min(seconds):.2f}–{max(seconds):.2f})"
