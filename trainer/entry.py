"""The one way into the trainer, as a command and by name; it never imports the engine before it is needed."""

import argparse
import json
import os
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from trainer.algorithm.declaration import slot_of
from trainer.algorithm.overrides import Choice, Function, Replacement, loaded
from trainer.artifacts import ArtifactsLost, Mirror, mirror_of
from trainer.contract import (
    ARENA,
    Manifest,
    Refused,
    Reporter,
    RunDirectory,
    TrainAndEvalSpec,
    begin_run,
    load_experiment_spec,
    read_manifest,
    redacted,
)
from trainer.contract.checkpoints import saved_checkpoints
from trainer.contract.exit_codes import DONE, FAILED, REFUSED, STOPPED, TERMINATED
from trainer.contract.resume import INSTANCE_NAME
from trainer.contract.spec_file import set_values
from trainer.pipeline import Hook
from trainer.stopping import GRACE_SECONDS, Cancelled, StopRequest

if TYPE_CHECKING:
    from dagster_pipes import PipesContext

    from trainer.engine.conformance import Verdict
    from trainer.engine.ranks import Ranks

EXPERIMENT = "+experiments="
GRACE_VARIABLE = "AXIOM_GRACE_SECONDS"


def run_stage(
    stage: str,
    run: RunDirectory,
    reporter: Reporter,
    *,
    train_manifest: Path | None = None,
    run_id: str | None = None,
    functions: Mapping[str, Replacement] = MappingProxyType({}),
    hooks: Mapping[str, Sequence[Hook]] = MappingProxyType({}),
    ranks: "Ranks | None" = None,
) -> Manifest:
    """Run `train` or `evaluate` in a run directory whose `run.yaml` is written; returns the manifest that it left.

    `functions` are the overrides, by path, that exist in this process only; `hooks` observe the stage, each after the
    step at its path. `ranks`: this process is the first of several that train together.

    Raises `Refused` before anything is done with bad input, and whatever the stage raised after its manifest, with
    status `failed` or `cancelled`, was written.
    """
    from trainer.engine.stages import run_evaluate, run_train

    with run.source_first():
        if stage == "train":
            return run_train(run, reporter, run_id, functions, hooks, ranks)
        if stage == "evaluate":
            return run_evaluate(run, reporter, run_id, functions, hooks, train_manifest)
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
    """`python -m trainer`: exit code 0 done, 1 failed (verify: different), 2 refused; told to stop: 75 or 143.

    75: a checkpoint is there, and the same command goes on from it; 143: none is, and the command begins anew.
    """
    words = _parser().parse_intermixed_args(arguments)
    try:
        _name_the_run(words)
        shared = os.environ.get("WORLD_SIZE", "1") != "1"
        if shared and words.stage != "train":
            why = f"{words.stage} runs in one process; no more than a training is shared: leave out torchrun"
            raise Refused.one("WORLD_SIZE", os.environ["WORLD_SIZE"], why)
        if words.stage == "verify":
            return _verify(words)
        mirror = mirror_of(os.environ, RunDirectory(words.run_dir), words.stage)
        if shared:
            return _run_among(words, mirror)
        run = _run_to_do(words, mirror)
        return DONE if run is None else _run(words.stage, run, mirror, words.train)
    except Refused as refusal:
        sys.stderr.write(redacted(f"refused: {refusal}\n"))
        return REFUSED
    except ArtifactsLost as lost:
        return _failure(words.stage, lost)
    except Cancelled:
        resumable = words.stage == "train" and saved_checkpoints(RunDirectory(words.run_dir))
        return STOPPED if resumable else TERMINATED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer", description="Run one stage in a run directory.")
    parser.add_argument("stage", choices=["train", "evaluate", "verify"])
    parser.add_argument("--run-dir", type=Path, help="the run directory; its name is the run's name")
    parser.add_argument("--spec", type=Path, help="a spec file to begin a new run directory with")
    parser.add_argument("--train", type=Path, help="evaluate: the train manifest (default: this run's own)")
    parser.add_argument("--updates", type=int, help="verify: repeat no more than the first N; 0: compare files alone")
    parser.add_argument("--set", action="append", default=[], metavar="path=value", help="verify: a value to change")
    naming = f"{EXPERIMENT}NAME: the run of configs/experiments/NAME.yaml, in $AXIOM_HOME/runs/NAME; goes on with it"
    setting = "path=value, with that or with --spec: a value to set in the spec"
    parser.add_argument("values", nargs="*", metavar=f"{EXPERIMENT}NAME | path=value", help=f"{naming}; {setting}")
    return parser


def _name_the_run(words: argparse.Namespace) -> None:
    """Give `words` the name of an experiment, if one is given, and the run directory that follows from it."""
    names = [value.removeprefix(EXPERIMENT) for value in words.values if value.startswith(EXPERIMENT)]
    words.values = [value for value in words.values if not value.startswith(EXPERIMENT)]
    words.experiment = names[0] if names else None
    if len(names) + (words.run_dir is not None) != 1 or (names and words.spec):
        given = ", ".join([*names, *(str(path) for path in (words.run_dir, words.spec) if path)]) or None
        raise Refused.one("run", given, f"is named by --run-dir (with --spec to begin it), or by one {EXPERIMENT}NAME")
    for name in names:
        if not re.match(INSTANCE_NAME, name):
            raise Refused.one(EXPERIMENT[:-1], name, "letters, digits, `_`, `-` and `.`: it names a file and a folder")
        words.run_dir = Path(os.environ.get("AXIOM_HOME") or ".axiom").expanduser() / "runs" / name
    words.run_dir = words.run_dir.resolve()


def _verify(words: argparse.Namespace) -> int:
    """Repeat a training beside its record; the last line of standard output is the verification, or what was refused.

    Standard error has the verdict for people.
    """
    from trainer.engine.verify import verify
    from trainer.reporters import reporter_for

    stop, run = StopRequest(grace_seconds=0), RunDirectory(words.run_dir)
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
    return DONE if verification.verdict == "identical" else FAILED


def _run_directory(words: argparse.Namespace, mirror: Mirror) -> RunDirectory:
    """The run directory with whatever an earlier attempt has left, begun if there is none and it is said with what."""
    run = RunDirectory(words.run_dir)
    mirror.pull()
    if words.experiment is not None:
        _begin_or_go_on(words, run)
    elif words.spec is not None:
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


def _run_to_do(words: argparse.Namespace, mirror: Mirror) -> RunDirectory | None:
    """The run directory; none where the stage of an experiment has succeeded already, here or on another machine."""
    run = _run_directory(words, mirror)
    manifest = run.manifest_file(words.stage)
    if words.experiment is None or not manifest.exists() or read_manifest(manifest).status != "succeeded":
        return run
    with mirror.kept(_say):
        _say(f"{words.stage} of {words.experiment} has succeeded already: {manifest}")
    return None


def _say(text: str) -> None:
    sys.stderr.write(redacted(f"{text}\n"))


def _begin_or_go_on(words: argparse.Namespace, run: RunDirectory) -> None:
    from trainer.configuration import bring_source, experiment_spec

    spec = experiment_spec(words.experiment, words.values)
    if not run.spec_file.exists():
        preflight(spec)
        bring_source(words.experiment, run)
        with run.source_first():
            begin_run(spec, run)
    begun = load_experiment_spec(run.spec_file).spec_hash
    if begun != spec.spec_hash:
        why = f"{run.path} holds a run of another spec ({begun}, this is {spec.spec_hash}); give it another name"
        raise Refused.one(EXPERIMENT[:-1], words.experiment, why)


def _run_among(words: argparse.Namespace, mirror: Mirror) -> int:
    """Train as one of the processes that torchrun started: the first one reports and writes, the others follow it."""
    from trainer.engine.following import follow, told
    from trainer.engine.ranks import joined
    from trainer.reporters import reporter_for

    try:
        with joined(os.environ) as ranks:
            what = ranks.from_first(lambda: told(run) if (run := _run_to_do(words, mirror)) else None)
            if what is None:
                return DONE
            if ranks.first:
                return _run("train", RunDirectory(what.path), mirror, None, ranks)
            with reporter_for(None, os.environ) as silent:
                follow(what, ranks, silent)
    except Refused:
        raise
    except Exception as error:
        return _failure("train", error)
    return DONE


def _run(
    stage: str, run: RunDirectory, mirror: Mirror, train_manifest: Path | None, ranks: "Ranks | None" = None
) -> int:
    from trainer.reporters import open_pipes

    stop = StopRequest(_grace_seconds())
    with open_pipes(os.environ) as pipes:
        return _report(stage, run, mirror, train_manifest, pipes, stop, ranks)


def _grace_seconds() -> float:
    """How long after a SIGTERM this process is killed, as far as whoever started it says so."""
    given = os.environ.get(GRACE_VARIABLE, str(GRACE_SECONDS))
    try:
        return float(given)
    except ValueError:
        raise Refused.one(GRACE_VARIABLE, given, "is no number of seconds between SIGTERM and SIGKILL") from None


def _report(
    stage: str,
    run: RunDirectory,
    mirror: Mirror,
    train_manifest: Path | None,
    pipes: "PipesContext | None",
    stop: StopRequest,
    ranks: "Ranks | None",
) -> int:
    from trainer.reporters import reporter_for

    run_id = pipes.run_id if pipes else None
    try:
        with reporter_for(pipes, os.environ) as chosen:
            reporter = stop.heeded_by(mirror.fed_by(chosen))
            with mirror.kept(chosen.log):
                manifest = run_stage(stage, run, reporter, train_manifest=train_manifest, run_id=run_id, ranks=ranks)
                stop.over()
            reporter.log(f"{stage} {manifest.status}: {run.manifest_file(stage)}")
    except Refused:
        raise
    except Exception as error:
        return _failure(stage, error)
    return DONE


def _failure(stage: str, error: Exception) -> int:
    # What is printed here is kept in the run directory.
    sys.stderr.write(redacted(f"{traceback.format_exc()}{stage} failed: {type(error).__name__}: {error}\n"))
    return FAILED
