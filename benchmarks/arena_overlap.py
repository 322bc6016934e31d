"""What PPO learns on CartPole-v1 where collection overlaps learning, and where it does not; never how fast."""

import json
import tempfile
from pathlib import Path

from assets.statistics.estimates import mean
from benchmarks.learning import Quiet
from benchmarks.peer_ours import STEPS, fields
from benchmarks.results import table
from trainer.contract import RunDirectory, TrainAndEvalSpec, begin_run
from trainer.entry import run_stage

SEEDS = (0, 1, 2, 3, 4)
ENVS, UPDATES = 8, 98


def learning_with_overlap() -> str:
    """The table, a row for each of the two."""
    rows = [_row(name, overlap) for name, overlap in (("without", False), ("with", True))]
    header = ("overlap", "mean return of the last 100 episodes [95 % interval]")
    return (
        f"CartPole-v1 as in the peers' table, after {ENVS * STEPS * UPDATES:,} steps, over {len(SEEDS)} seeds:\n\n"
        f"{table(header, rows)}"
    )


def _row(name: str, overlap: bool) -> tuple[str, str]:
    return name, str(mean([_return(overlap, seed) for seed in SEEDS]))


def _return(overlap: bool, seed: int) -> float:
    spec = fields(ENVS, UPDATES, seed)
    spec["trainer"] |= {"overlap": overlap}
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "run")
        begin_run(TrainAndEvalSpec.accept(spec), run)
        run_stage("train", run, Quiet())
        return json.loads(run.metrics_file.read_text().splitlines()[-1])["overview/reward"]
