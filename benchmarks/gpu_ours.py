"""Our training as `benchmarks.gpu` runs it: `python -m benchmarks.gpu_ours NUM_ENVS UPDATES SEED WIDTH WAY`."""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peer_ours import InTurn, fields
from trainer.contract import RunDirectory, TrainAndEvalSpec, save_experiment_spec
from trainer.entry import run_stage

MIXED, GRAPHS = {"precision": "bfloat16"}, "reduce-overhead"
WAYS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "axiom_dagster": {},
    "axiom_dagster, bfloat16": {"agent": MIXED},
    "axiom_dagster, compiled": {"system": {"compile": "default"}},
    "axiom_dagster, compiled with CUDA graphs": {"system": {"compile": GRAPHS}},
    "axiom_dagster, bfloat16, compiled with CUDA graphs": {"agent": MIXED, "system": {"compile": GRAPHS}},
    "axiom_dagster, any algorithm": {"controls": {"deterministic": False}},
}


def spec_of(num_envs: int, updates: int, seed: int, width: int, way: int) -> TrainAndEvalSpec:
    """That of `benchmarks.peers`, on a GPU where there is one, with the switches of the way laid over it."""
    made = fields(num_envs, updates, seed)
    made["agent"] = {**made["agent"], "hidden_sizes": [width, width]}
    for part, change in list(WAYS.values())[way].items():
        made[part] = {**made.get(part, {}), **change}
    return TrainAndEvalSpec.accept(made)


def main(*words: int) -> None:
    """Train once."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "run")
        save_experiment_spec(spec_of(*words), run.spec_file)
        run_stage("train", run, InTurn(run))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
