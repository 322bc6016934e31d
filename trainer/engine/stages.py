"""A stage from its run directory to its manifest, however it ends; it never decides where or when it runs.

Each stage imports no more than it needs, so that it starts sooner.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainer.algorithm.declaration import slot_of
from trainer.algorithm.overrides import Replacement
from trainer.contract import (
    Artifact,
    Code,
    EnvConfig,
    InterventionRecord,
    Lease,
    Manifest,
    Refused,
    Reporter,
    RunDirectory,
    Stage,
    Status,
    StoppedAt,
    TrainAndEvalSpec,
    begin_attempt,
    code_artifacts,
    load_experiment_spec,
    read_manifest,
    record_code,
    redacted,
    write_text,
)
from trainer.contract.checkpoints import saved_checkpoints
from trainer.contract.exposure import exposure, watched
from trainer.contract.resume import begun_files, begun_parent
from trainer.engine.environment import describe_compute, describe_environment
from trainer.engine.ranks import Ranks
from trainer.pipeline import Hook, Method, Pipeline, step_of

Functions = Mapping[str, Replacement]
Hooks = Mapping[str, Sequence[Hook]]


@dataclass
class Record:
    """What a stage has to say of itself so far; becomes its manifest."""

    stage: Stage
    spec: TrainAndEvalSpec
    run: RunDirectory
    run_id: str | None
    functions: Functions
    hooks: Hooks
    lease: Lease
    world_size: int = 1
    code: Code | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    found: dict[str, Any] = field(default_factory=dict)
    interventions: list[InterventionRecord] = field(default_factory=list)

    def write(
        self, status: Status, error: str | None = None, stopped_at: StoppedAt | None = None, files: Iterable[Path] = ()
    ) -> Manifest:
        """Write the manifest of the stage as it stands, ended now; raises `Superseded` where another has taken over."""
        self.lease.hold()
        code, controls = self.code, self.spec.controls
        left = tuple(Artifact.of(file, self.run) for file in files)
        left += code_artifacts(self.run, self.stage, code) if code else ()
        manifest = Manifest(
            stage=self.stage,
            instance_name=self.run.instance_name,
            run_id=self.run_id,
            status=status,
            attempt=self.lease.attempt.number,
            error=None if error is None else redacted(error),
            stopped_at=stopped_at,
            started_at=self.started_at,
            ended_at=datetime.now(UTC),
            spec=self.spec.plain(),
            spec_hash=self.spec.spec_hash,
            environment=describe_environment(self.spec.system, controls.capture_env, code and code.files),
            code=code,
            compute=describe_compute(self.world_size),
            **self._origin() | self.found | {"artifacts": self.found.get("artifacts", ()) + left},
        )
        manifest.write(self.run)
        return manifest

    def _origin(self) -> dict[str, Any]:
        """The parent of a training that begins with a checkpoint of another run."""
        return {"parents": begun_parent(self.run)} if self.stage == "train" and self.spec.resume_from else {}

    def stop(self, status: Status, error: str, step: str | None = None) -> Manifest:
        """Write the manifest of a stage that did not succeed: where it stopped, and what training left by then."""
        metrics = self.run.metrics_file
        left = [*_logs(self.run), *saved_checkpoints(self.run)[-1:]] if self.stage == "train" else []
        last = _last_row(metrics) if metrics in left else {}
        stopped_at = StoppedAt(step=step, update=last.get("update"), agent_steps=last.get("agent_steps"))
        return self.write(status, error, stopped_at, left)

    def goes_on_from(self) -> str:
        """What the next attempt at this stage begins with, in words."""
        saved = saved_checkpoints(self.run) if self.stage == "train" else []
        return f"goes on from {self.run.relative(saved[-1])}" if saved else "begins anew: nothing was saved"

    def pipeline(self) -> Pipeline:
        """The experiment's pipeline with its overrides, each held to the contract of its slot before it is used."""
        pipeline = self.spec.pipeline(self.functions)
        self.found |= exposure(self.spec, pipeline, self.stage)
        for path, hooks in self.hooks.items():
            pipeline.watch(path, *hooks)
        inside = {path: op for path, op in pipeline.overrides().items() if path.startswith(f"{self.stage}.")}
        if inside:
            _require_conformance(inside, self.spec.trainer.curriculum.env)
        return pipeline

    def run_stage(self, pipeline: Pipeline, job: Any) -> Any:
        """Run this stage's part of the pipeline, and note what all that watched it has to say, however it ends."""
        compiled = pipeline.only(self.stage).compile()
        try:
            return compiled(job)
        finally:
            self.found |= watched(compiled, self.interventions)


def _logs(run: RunDirectory) -> list[Path]:
    """What training wrote line by line, and what it began with."""
    return [file for file in (run.metrics_file, run.digests_file, *begun_files(run)) if file.exists()]


def _last_row(metrics: Path) -> dict[str, Any]:
    """The metrics of the last update; a line that was torn by a crash counts for none."""
    for line in reversed(metrics.read_text().splitlines()):
        with suppress(json.JSONDecodeError):
            return json.loads(line)
    return {}


def _place(step: str | None) -> str:
    return f" (in step {step})" if step else ""


def _require_conformance(overrides: Mapping[str, Any], env: EnvConfig) -> None:
    from trainer.engine.conformance import require_conformance
    from trainer.envs.make import spaces_of

    for path, op in overrides.items():
        require_conformance(path, slot_of(path), op, spaces_of(env))


def _refuse_what_others_lack(pipeline: Pipeline, functions: Functions, ranks: Ranks) -> None:
    """Several processes share no function of one of them, and no stage that is replaced as a whole."""
    whole = {"train"} & pipeline.overrides().keys()
    for path in [] if ranks.alone else [*functions, *whole]:
        why = f"cannot be shared among {ranks.count} processes; replace a step inside by an importable op, or start one"
        raise Refused.one(path, str(pipeline.overrides().get(path)), why)


def run_train(
    run: RunDirectory,
    reporter: Reporter,
    run_id: str | None,
    functions: Functions,
    hooks: Hooks,
    ranks: Ranks | None = None,
) -> Manifest:
    """Train as `run.yaml` says; raises what the training raised, after its manifest was written.

    Of several processes (`ranks`) this is the first; the others follow.
    """
    from trainer.engine.job import TrainJob
    from trainer.engine.tracking.companion import tracking
    from trainer.engine.witness import Witness

    ranks = ranks or Ranks()
    recorded = _recorded("train", run, run_id, functions, hooks, ranks.count)
    with ranks.last_words(), recorded as record, ExitStack() as stack:
        pipeline = record.pipeline()
        _refuse_what_others_lack(pipeline, functions, ranks)
        tracked = tracking(record.spec, run, "train", reporter, record.code, record.found)
        tracker = stack.enter_context(tracked)
        witness = Witness(run, reporter, tracker, record.lease, record.interventions)
        trained = record.run_stage(pipeline, TrainJob(record.spec, run, witness, stack, ranks))
        record.found |= {
            "metrics": trained.metrics,
            "weights_digest": trained.weights_digest,
            "checkpoint": Artifact.of(trained.checkpoint, run),
            "artifacts": tuple(Artifact.of(file, run) for file in [*_logs(run), *run.source_files()]),
        }
    return read_manifest(run.manifest_file("train"))


def run_evaluate(
    run: RunDirectory,
    reporter: Reporter,
    run_id: str | None,
    functions: Functions,
    hooks: Hooks,
    train_manifest: Path | None,
) -> Manifest:
    """Evaluate in the simulations of `run.yaml` what `train_manifest` (default: this run's own) left."""
    from trainer.engine.evaluation import Tally
    from trainer.engine.job import EvaluateJob
    from trainer.engine.tracking.companion import tracking

    with _recorded("evaluate", run, run_id, functions, hooks) as record, ExitStack() as stack:
        path = train_manifest or run.manifest_file("train")
        parent = read_manifest(path)
        pipeline = record.pipeline()
        stack.enter_context(tracking(record.spec, run, "evaluate", reporter, record.code, record.found))
        record.found |= {"parents": {"train": parent.digest}}
        trained_by = TrainAndEvalSpec.accept(parent.spec).pipeline(functions).running()
        make_policy: Any = trained_by.get("train.policy", Method("actor_critic"))
        episodes = 2 * record.spec.trainer.simulation.num_episodes * len(record.spec.eval_configs)
        train_run = RunDirectory(path.parents[1])
        job = EvaluateJob(record.spec, run, parent, train_run, make_policy, Tally(episodes, reporter))
        results = record.run_stage(pipeline, job)
        episodes_file = run.stage("evaluate") / "episodes.json"
        plain = {name: result.plain() for name, result in results.items()}
        write_text(episodes_file, json.dumps(plain, indent=2) + "\n")
        replays = [run.path / replay for result in results.values() for replay in result.replays]
        record.found |= {
            "eval_results": results,
            "weights_digest": parent.weights_digest,
            "artifacts": tuple(Artifact.of(file, run) for file in [episodes_file, *replays]),
        }
    return read_manifest(run.manifest_file("evaluate"))


@contextmanager
def _recorded(
    stage: Stage,
    run: RunDirectory,
    run_id: str | None,
    functions: Functions,
    hooks: Hooks,
    world_size: int = 1,
) -> Iterator[Record]:
    """Write the stage's manifest whether it ends well, fails or is cancelled; refuse a stage that has succeeded."""
    file = run.manifest_file(stage)
    if file.exists() and read_manifest(file).status == "succeeded":
        raise Refused.one("run-dir", str(run.path), f"its stage {stage!r} has succeeded; runs are not overwritten")
    spec = load_experiment_spec(run.spec_file)
    record = Record(stage, spec, run, run_id, functions, hooks, begin_attempt(run, stage, run_id), world_size)
    if file.exists():
        file.rename(file.with_name(f"manifest_{read_manifest(file).attempt}.json"))
    try:
        record.code = record_code(run, stage)
        yield record
    except Refused:
        raise
    except Exception as error:
        step = step_of(error)
        record.stop("failed", f"{type(error).__name__}: {error}{_place(step)}", step)
        raise
    except BaseException:  # an interrupt; that of Dagster has a name which the trainer does not know
        record.stop("cancelled", f"told to stop; {record.goes_on_from()}")
        raise
    record.write("succeeded")
