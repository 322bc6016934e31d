"""A trainer of the real one's interface that trains nothing: a spec's description says how its stages end."""

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dagster_pipes import PipesContext, PipesEnvVarParamsLoader, open_dagster_pipes

from trainer.contract import (
    Artifact,
    Episode,
    Interval,
    Manifest,
    Progress,
    Refused,
    Reporter,
    RunDirectory,
    SimulationResult,
    TrainAndEvalSpec,
    load_experiment_spec,
    read_manifest,
    write_text,
)
from trainer.contract.checkpoints import checkpoint_file
from trainer.contract.exposure import exposure
from trainer.contract.resume import begun_parent, keep_begun, read_begun, run_to_resume


def run_stage(
    stage: str,
    run: RunDirectory,
    reporter: Reporter,
    *,
    train_manifest: Path | None = None,
    run_id: str | None = None,
    functions: Mapping[str, Any] | None = None,
    hooks: Mapping[str, Any] | None = None,
) -> Manifest:
    """Like `trainer.entry.run_stage`."""
    spec = load_experiment_spec(run.spec_file)
    pipeline = spec.pipeline(functions or {})
    common: dict[str, Any] = {
        "stage": stage,
        "instance_name": run.instance_name,
        "run_id": run_id,
        "started_at": datetime.now(UTC),
        "ended_at": datetime.now(UTC),
        "spec": spec.plain(),
        "spec_hash": spec.spec_hash,
        **exposure(spec, pipeline, stage),
    }
    if spec.description == f"refuse {stage}":
        raise Refused.one("trainer.device", "tpu", "no such device")
    if spec.description == "meet" and stage == "evaluate":
        end = time.monotonic() + 30
        while len(list(run.path.parent.glob("*/train/manifest.json"))) < 2 and time.monotonic() < end:
            time.sleep(0.02)
    healed = (run.path.parent / "healed").exists()
    if spec.description == f"fail {stage}" and not healed:
        Manifest(**common, status="failed", error="RuntimeError: the loss is gone").write(run)
        raise RuntimeError("the loss is gone")
    if spec.description == f"hang {stage}":
        hang(run, stage)
    if spec.description == f"wait {stage}":
        write_text(run.stage(stage) / "processes.json", json.dumps([os.getpid()]))
        time.sleep(60)
    reporter.progress(Progress(stage=stage, done=1, total=1, steps_per_second=1.0, eta_seconds=0.0))
    found = trained(run, spec) if stage == "train" else evaluated(run, train_manifest)
    manifest = Manifest(**common, status="succeeded", **found)
    manifest.write(run)
    if spec.description == "tamper" and stage == "train":
        write_text(checkpoint_file(run, 3), "other weights")
    return manifest


def trained(run: RunDirectory, spec: TrainAndEvalSpec) -> dict[str, Any]:
    seed, asked = spec.controls.seed, spec.resume_from
    if asked and read_begun(run) is None:
        (final,) = run_to_resume(asked, run.path.parent).checkpoints.glob("*.pt")
        keep_begun(run, asked, final, update=3)
    rows = [
        {"update": n, "agent_steps": n * 100, "overview/reward": n + seed, "losses/policy_loss": 0.5}
        for n in range(1, 4)
    ]
    write_text(run.metrics_file, "".join(json.dumps(row) + "\n" for row in rows))
    checkpoint = checkpoint_file(run, 3)
    write_text(checkpoint, f"weights of seed {seed}{f' after {asked}' if asked else ''}")
    return {
        "parents": begun_parent(run),
        "metrics": {"reward": float(seed), "seconds": 1.0, "steps_per_second": 300.0, "agent_steps": 300.0},
        "weights_digest": f"sha256:seed{seed}",
        "checkpoint": Artifact.of(checkpoint, run),
        "artifacts": (Artifact.of(run.metrics_file, run),),
    }


def evaluated(run: RunDirectory, train_manifest: Path | None) -> dict[str, Any]:
    parent = read_manifest(train_manifest or run.manifest_file("train"))
    reward = float(parent.metrics["reward"] or 0.0)
    episodes = tuple(Episode(seed=n, reward=reward + n, length=5) for n in (-1, 1))
    result = SimulationResult(
        mean_reward=reward,
        reward=Interval(mean=reward, low=reward - 1, high=reward + 1),
        random_reward=Interval(mean=0.5, low=0.4, high=0.6),
        episodes=episodes,
        random_episodes=(Episode(seed=1, reward=0.5, length=5),),
    )
    return {
        "parents": {"train": parent.digest},
        "weights_digest": parent.weights_digest,
        "eval_results": {"arena/basic": result},
    }


def hang(run: RunDirectory, stage: str) -> None:
    """Wait for a worker process that has nothing to do."""
    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(120,))
    worker.start()
    write_text(run.stage(stage) / "processes.json", json.dumps([os.getpid(), worker.pid]))
    worker.join()


class Words:
    """A reporter over pipes, or to standard output."""

    def __init__(self, pipes: PipesContext | None) -> None:
        self.pipes = pipes

    def progress(self, progress: Progress) -> None:
        self.log(str(progress))

    def log(self, message: str) -> None:
        self.pipes.log.info(message) if self.pipes else sys.stdout.write(message)


def main() -> int:
    """Like `python -m trainer`."""
    stage, _, run_dir, *rest = sys.argv[1:]
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "STUBBORN" in os.environ else lambda *_: sys.exit(143))
    sys.stdout.write(f"threads: {os.environ.get('OMP_NUM_THREADS')}\n")
    if "NO_MANIFEST" in os.environ:
        return 0
    under_dagster = PipesEnvVarParamsLoader().is_dagster_pipes_process()
    with open_dagster_pipes() if under_dagster else nullcontext() as pipes:
        try:
            run_stage(
                stage,
                RunDirectory(Path(run_dir)),
                Words(pipes),
                train_manifest=Path(rest[1]) if rest else None,
                run_id=pipes.run_id if pipes else None,
            )
        except Refused as refused:
            sys.stderr.write(f"refused: {refused}\n")
            return 2
        except RuntimeError as error:
            sys.stderr.write(f"failed: {error}\n")
            return 1
    return 0
