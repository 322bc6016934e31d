"""The one way into the trainer, as a command and by name; it never imports the engine before it is needed."""

import argparse
import json
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from trainer.algorithm.declaration import slot_of
from trainer.algorithm.overrides import Choice, Function, Replacement, loaded
from trainer.contract import (
    ARENA,
    Manifest,
    Refused,
    Reporter,
    RunDirectory,
    TrainAndEvalSpec,
    begin_run,
    load_experiment_spec,
    redacted,
)
from trainer.contract.spec_file import set_values
from trainer.pipeline import Hook
from trainer.stopping import Cancelled, StopRequest

if TYPE_CHECKING:
    from dagster_pipes import PipesContext

    from trainer.engine.conformance import Verdict

FAILED, REFUSED, TERMINATED = 1, 2, 128 + signal.SIGTERM


def run_stage(
    stage: str,
    run: RunDirectory,
    reporter: Reporter,
    *,
    train_manifest: Path | None = None,
    run_id: str | None = None,
    functions: Mapping[str, Replacement] = MappingProxyType({}),
    hooks: Mapping[str, Sequence[Hook]] = MappingProxyType({}),
) -> Manifest:
    """Run `train` or `evaluate` in a run directory whose `run.yaml` is written; returns the manifest that it left.

    `functions` are the overrides, by path, that exist in this process only; `hooks` observe the training, each after
    the step at its path.

    Raises `Refused` before anything is done with bad input, and whatever the stage raised after its manifest, with
    status `failed` or `cancelled`, was written.
    """
    from trainer.engine.stages import run_evaluate, run_train

    if run.source.is_dir() and str(run.source) not in sys.path:
        sys.path.insert(0, str(run.source))
    if stage == "train":
        return run_train(run, reporter, run_id, functions, hooks)
    if stage == "evaluate":
        return run_evaluate(run, reporter, run_id, functions, train_manifest)
    raise Refused.one("stage", stage, "the trainer runs 'train' and 'evaluate'")


def preflight(spec: TrainAndEvalSpec) -> None:
    """Refuse, before a run exists, environments that are unknown here or cannot be made.

    An arena that its config accepts can always be made: MettaGrid is not loaded for it.
    """
    from trainer.envs.make import spaces_of

    simulations = {f"eval_configs.{name}": env for name, env in spec.eval_configs.items()}
    for path, env in {"trainer.curriculum.env": spec.trainer.curriculum.env, **simulations}.items():
        if env.id == ARENA:
            continue
        try:
            spaces_of(env)
        except Refused as refusal:
            problems = (replace(found, path=found.path.replace("env", path, 1)) for found in refusal.problems)
            raise Refused(problems) from None


def conform(slot: str, choice: Choice) -> "tuple[Verdict, ...]":
    """What the conformance kit says of an op in a slot: a verdict for each clause, none for a whole stage.

    Raises `Refused` where there is no such slot or implementation, and where one's own op cannot be loaded.
    """
    from trainer.engine.conformance import conform as examined

    return examined(slot, loaded(slot, choice, {}))


def check_overrides(spec: TrainAndEvalSpec, functions: Mapping[str, Replacement] = MappingProxyType({})) -> None:
    """Refuse overrides that break the contract of their slot; a function of another process is left to that one."""
    from trainer.engine.conformance import require_conformance

    for path, op in spec.pipeline(functions).overrides().items():
        if callable(op) and not isinstance(op, Function):
            require_conformance(path, slot_of(path), op)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m trainer`: exit code 0 done, 1 failed (verify: different), 2 refused, 143 told to stop."""
    words = _parser().parse_intermixed_args(arguments)
    try:
        if words.stage == "verify":
            return _verify(words)
        return _run(words.stage, _run_directory(words), words.train)
    except Refused as refusal:
        sys.stderr.write(redacted(f"refused: {refusal}\n"))
        return REFUSED
    except Cancelled:
        return TERMINATED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer", description="Run one stage in a run directory.")
    parser.add_argument("stage", choices=["train", "evaluate", "verify"])
    parser.add_argument("--run-dir", type=Path, required=True, help="the run directory; its name is the run's name")
    parser.add_argument("--spec", type=Path, help="a spec file to begin a new run directory with")
    parser.add_argument("--train", type=Path, help="evaluate: the train manifest (default: this run's own)")
    parser.add_argument("--updates", type=int, help="verify: repeat no more than the first N; 0: compare files alone")
    parser.add_argument("--set", action="append", default=[], metavar="path=value", help="verify: a value to change")
    parser.add_argument("values", nargs="*", metavar="path=value", help="with --spec: values to set in it")
    return parser


def _verify(words: argparse.Namespace) -> int:
    """Repeat a training beside its record; the last line of standard output is the verification, or what was refused.

    Standard error has the verdict for people.
    """
    from trainer.engine.verify import verify
    from trainer.reporters import reporter_for

    stop, run = StopRequest(), RunDirectory(words.run_dir.resolve())
    try:
        if words.spec or words.train or words.values or (words.updates or 0) < 0:
            raise Refused.one("verify", str(run.path), "takes a run directory, --updates N ≥ 0 and --set path=value")
        with reporter_for(None) as reporter:
            verification = verify(run, stop.heeded_by(reporter), words.updates, words.set)
    except Refused as refused:
        problems = [{"path": each.path, "value": str(each.value), "why": each.why} for each in refused.problems]
        sys.stdout.write(json.dumps({"problems": problems}) + "\n")
        raise
    sys.stderr.write("\n".join(verification.lines()) + "\n")
    sys.stdout.write(json.dumps({"verification": verification.plain()}) + "\n")
    return 0 if verification.verdict == "identical" else FAILED


def _run_directory(words: argparse.Namespace) -> RunDirectory:
    """The run directory, begun from the spec file if one is given."""
    run = RunDirectory(words.run_dir.resolve())
    if words.spec is not None:
        if run.spec_file.exists():
            raise Refused.one(
                "--run-dir", str(run.path), "a run is there already; give another name or leave out --spec"
            )
        spec = set_values(load_experiment_spec(words.spec), words.values)
        preflight(spec)
        begin_run(spec, run)
    elif words.values:
        raise Refused.one("path=value", words.values, "the run's spec is fixed in run.yaml; values go with --spec")
    return run


def _run(stage: str, run: RunDirectory, train_manifest: Path | None) -> int:
    from dagster_pipes import PipesContext, PipesEnvVarParamsLoader, open_dagster_pipes

    stop = StopRequest()
    if not PipesEnvVarParamsLoader().is_dagster_pipes_process():
        return _report(stage, run, train_manifest, None, stop)
    with open_dagster_pipes():
        return _report(stage, run, train_manifest, PipesContext.get(), stop)


def _report(
    stage: str, run: RunDirectory, train_manifest: Path | None, pipes: "PipesContext | None", stop: StopRequest
) -> int:
    from trainer.reporters import reporter_for

    run_id = pipes.run_id if pipes else None
    try:
        with reporter_for(pipes) as chosen:
            reporter = stop.heeded_by(chosen)
            manifest = run_stage(stage, run, reporter, train_manifest=train_manifest, run_id=run_id)
            reporter.log(f"{stage} {manifest.status}: {run.manifest_file(stage)}")
    except Refused:
        raise
    except Exception as error:
        # What is printed here is kept in the run directory.
        sys.stderr.write(redacted(f"{traceback.format_exc()}{stage} failed: {type(error).__name__}: {error}\n"))
        return FAILED
    return 0
