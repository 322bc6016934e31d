"""Runs an earlier run's spec once more, with the sources that it ran then; it never changes the earlier run."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from axiom_dagster.comparison import diff
from axiom_dagster.experiment import TrainAndEvalExperiment
from axiom_dagster.run_handle import RunHandle
from resources.compute import Compute
from resources.in_process_compute import InProcessCompute
from resources.local_compute import LocalCompute
from resources.manifest_store import REPLAY_TAG
from resources.verifying import verification_of
from trainer.contract import RunDirectory, TrainAndEvalSpec

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sameness:
    """Whether a replay came to what the original came to; none where there is nothing to compare."""

    weights: bool | None
    results: bool | None

    @property
    def whole(self) -> bool:
        """Whether nothing that could be compared differs, and the weights could be."""
        return self.weights is True and self.results is not False

    def __str__(self) -> str:
        words = {True: "identical", False: "different", None: "not comparable"}
        return f"weights {words[self.weights]}, evaluation results {words[self.results]}"


def replay(
    original: RunHandle,
    tag: str | None = None,
    *,
    compute: LocalCompute | InProcessCompute | Compute | None = None,
    say: Callable[[str], None] = logger.warning,
) -> RunHandle:
    """Run the spec of `original` as a new run, to its end; first `say` by name all that differs now.

    Imported ops run from the source that the original kept. Raises `Refused` where that run cannot be repeated.
    """
    run = RunDirectory(original.directory)
    for warning in warnings_before(run):
        say(warning)
    spec = TrainAndEvalSpec.accept(original.read("train").spec)
    with run.source_first():
        tags = {REPLAY_TAG: original.instance_name}
        return TrainAndEvalExperiment(spec).run(tag, compute=compute, tags=tags)


def warnings_before(run: RunDirectory) -> Iterator[str]:
    """What is not now as it was then: the run's files, spec, code, packages, machine."""
    found = verification_of(run, updates=0)
    for damage in found.damage:
        yield f"not as recorded: {damage.path}: {damage.why}"
    for change in found.conditions.conditions:
        yield f"differs now: {change}"


def sameness(original: RunHandle, again: RunHandle) -> Sameness:
    """Whether two runs came to the same weights and the same episodes."""
    paths = [change.path for change in diff(original, again).results]
    stages = [{stage for stage in ("train", "evaluate") if _succeeded(run, stage)} for run in (original, again)]
    both = stages[0] & stages[1]
    return Sameness(
        weights="weights_digest" not in paths if "train" in both else None,
        results=not any(path.startswith("eval_results.") for path in paths) if "evaluate" in both else None,
    )


def _succeeded(handle: RunHandle, stage: str) -> bool:
    exists = RunDirectory(handle.directory).manifest_file(stage).exists()
    return exists and handle.read(stage).status == "succeeded"
