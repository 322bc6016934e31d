"""Repeats a training from its manifest beside the record of its updates; it never changes the run that it verifies."""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

from trainer.algorithm.overrides import FUNCTION
from trainer.contract import (
    Manifest,
    Progress,
    Refused,
    Reporter,
    RunDirectory,
    TrainAndEvalSpec,
    read_manifest,
    record_code,
    save_experiment_spec,
    set_values,
)
from trainer.contract.code_files import code_files
from trainer.contract.difference import Difference, changes, difference
from trainer.contract.exposure import exposure
from trainer.contract.resume import copy_begun
from trainer.contract.verification import Divergence, Verification
from trainer.engine.damage import damage_of
from trainer.engine.digests import whole_lines
from trainer.engine.environment import describe_compute, describe_environment
from trainer.engine.seeding import make_repeatable
from trainer.engine.stages import run_train
from trainer.stopping import Cancelled

CODE_FILES = "code_files.json"


class Enough(Cancelled):
    """The repetition has shown what it was to show."""


class Comparison:
    """A reporter between a repetition and another one; holds each update, once it is written, against the record."""

    def __init__(
        self, recorded: Mapping[int, Mapping[str, str]], last: int, again: RunDirectory, reporter: Reporter
    ) -> None:
        self.divergence: Divergence | None = None
        self.identical = 0
        self._recorded, self._last, self._reporter = recorded, last, reporter
        self._file = again.digests_file
        self._lines: TextIO | None = None

    def progress(self, progress: Progress) -> None:
        """Compare the newest update; raises `Enough` where it differs, and after the last one to be compared."""
        self._lines = self._lines or self._file.open()
        line = json.loads(self._lines.readline())
        self.divergence = divergence(line["update"], self._recorded.get(line["update"], {}), line["digests"])
        self.identical += self.divergence is None
        self._reporter.progress(progress)
        if self.divergence or (line["update"] >= self._last and progress.done < progress.total):
            raise Enough

    def log(self, message: str) -> None:
        """Pass on."""
        self._reporter.log(message)

    def close(self) -> None:
        """Close the file."""
        if self._lines is not None:
            self._lines.close()


def verify(
    run: RunDirectory, reporter: Reporter, updates: int | None = None, assignments: Iterable[str] = ()
) -> Verification:
    """Repeat the training of `run` from its manifest, all of it or the first `updates`, and compare as it goes.

    `assignments` (`path=value`) change the spec that is repeated; 0 updates compare files and conditions alone. Call it
    in a process that has not trained yet. Raises `Refused` where nothing can be compared.
    """
    recorded = read_manifest(run.manifest_file("train"))
    accepted = TrainAndEvalSpec.accept(recorded.spec)
    spec = set_values(accepted, assignments)
    digests = {line["update"]: line["digests"] for line in whole_lines(run.digests_file)}
    _refuse_lost_functions(accepted)
    if updates != 0:
        _refuse_what_has_no_updates(accepted, run, digests)
    first, newest = min(digests, default=1) - 1, max(digests, default=0)
    last = newest if updates is None else min(first + updates, newest)
    with TemporaryDirectory(prefix="axiom-verify-") as folder:
        again = RunDirectory(Path(folder) / run.instance_name)
        _begin(again, run, spec)
        comparison = Comparison(digests, last, again, reporter)
        with again.source_first():
            found = _repeat(again, comparison, recorded) if last > first else None
            conditions = _conditions(recorded, accepted, spec, run, again)
    return Verification(
        instance_name=recorded.instance_name,
        updates=comparison.identical,
        begun_after=first,
        recorded_updates=int(recorded.metrics.get("updates") or newest) - first,
        divergence=comparison.divergence,
        recorded_weights=recorded.weights_digest,
        found_weights=found.weights_digest if found else None,
        damage=damage_of(run, recorded),
        conditions=conditions,
        device=(recorded.environment and recorded.environment.device) or "cpu",
    )


def divergence(update: int, recorded: Mapping[str, str], found: Mapping[str, str]) -> Divergence | None:
    """Where two lines of digests first differ, in the order of the recorded one; none if they do not."""
    differing = [name for name in {**recorded, **found} if recorded.get(name) != found.get(name)]
    if not differing:
        return None
    groups = tuple(dict.fromkeys(name.partition(".")[0] for name in differing))
    first = differing[0]
    return Divergence(update=update, tensor=first, groups=groups, recorded=recorded.get(first), found=found.get(first))


def _refuse_lost_functions(spec: TrainAndEvalSpec) -> None:
    for path, choice in spec.overrides.items():
        if FUNCTION in choice:
            why = "is a function of the process that made this run, which has ended; only an importable op is kept"
            raise Refused.one(path, choice[FUNCTION]["label"], why)


def _refuse_what_has_no_updates(spec: TrainAndEvalSpec, run: RunDirectory, digests: Mapping[int, Any]) -> None:
    if "train" in spec.overrides:
        raise Refused.one("train", run.instance_name, "was replaced as a whole; there is no training to repeat")
    if not digests:
        raise Refused.one("digests", str(run.digests_file), "no update is on record; this run cannot be compared")


def _begin(again: RunDirectory, run: RunDirectory, spec: TrainAndEvalSpec) -> None:
    """The repetition's own directory, with all that the run itself began with; it tracks and profiles nothing."""
    again.path.mkdir()
    if run.source.is_dir():
        shutil.copytree(run.source, again.source)
    copy_begun(run, again)
    plain = spec.plain()
    plain["wandb"]["mode"] = "disabled"
    plain["tensorboard"]["enabled"] = False
    plain["trainer"]["profiler"]["interval_updates"] = 0
    save_experiment_spec(TrainAndEvalSpec.accept(plain), again.spec_file)


def _repeat(again: RunDirectory, comparison: Comparison, recorded: Manifest) -> Manifest | None:
    """The manifest of the repetition; none if it was stopped."""
    try:
        return run_train(again, comparison, None, {}, {})
    except Enough:
        return None
    except Refused:
        raise
    except Exception as error:
        why = f"the repetition failed after {comparison.identical} identical updates: {type(error).__name__}: {error}"
        raise Refused.one("train", recorded.instance_name, why) from error
    finally:
        comparison.close()


def _conditions(
    recorded: Manifest, accepted: TrainAndEvalSpec, spec: TrainAndEvalSpec, run: RunDirectory, again: RunDirectory
) -> Difference:
    """What differs between then and now; of the trainer's own files, each by its name."""
    then = recorded.model_copy(update={"spec": accepted.plain()})
    now = recorded.model_copy(update={"spec": spec.plain(), **_present(spec, again)})
    found = difference(then, now)
    file = run.stage("train") / CODE_FILES
    if not file.is_file() or not any(change.path == "files" for change in found.code):
        return found
    files = changes(json.loads(file.read_text()), code_files())
    return found.model_copy(update={"code": (*(each for each in found.code if each.path != "files"), *files)})


def _present(spec: TrainAndEvalSpec, again: RunDirectory) -> dict[str, Any]:
    """What the repetition ran on; where there was none, what it would run on."""
    file = again.manifest_file("train")
    if file.exists():
        ran = read_manifest(file)
        return {"environment": ran.environment, "code": ran.code, "ops": ran.ops, "compute": ran.compute}
    make_repeatable(spec.controls, spec.system)
    code = record_code(again, "train")
    environment = describe_environment(spec.system, spec.controls.capture_env, code.files)
    ops = exposure(spec, spec.pipeline(), "train")["ops"]
    return {"environment": environment, "code": code, "ops": ops, "compute": describe_compute()}
