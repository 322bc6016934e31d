"""What a table of an experiment's runs says of each: status, reward, pace, time; it changes none of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from axiom_dagster.following import words_since
from axiom_dagster.run_handle import RunHandle
from axiom_dagster.summary import last_manifest
from axiom_dagster.variants.standing import Standing
from trainer.contract import Manifest, Progress

REWARD = "overview/reward"


@dataclass(frozen=True)
class Row:
    """One run; what is not known, or not yet, is none.

    `reward` is the mean over the simulations of a run that has ended, and in training what the training last said.
    """

    standing: Standing
    reward: float | None = None
    steps_per_second: float | None = None
    progress: Progress | None = None
    seconds: float | None = None
    """How long it ran, by Dagster's clock, where it has ended."""

    @property
    def is_under_way(self) -> bool:
        """Whether it runs now."""
        return self.standing.status in ("running", "cancelling")

    def plain(self) -> dict[str, Any]:
        """The same as JSON types, with what a run that failed says."""
        run = self.standing.run
        return {
            "variant": self.standing.variant,
            "seed": self.standing.seed,
            "spec_hash": f"sha256:{self.standing.spec_hash}",
            "status": self.standing.status,
            "run_id": run.run_id if run else None,
            "instance_name": run.instance_name if run else None,
            "reward": self.reward,
            "steps_per_second": self.steps_per_second,
            "error": run.error if run else None,
        }


@dataclass
class _Heard:
    """What a run that is under way has said up to a cursor."""

    cursor: str | None = None
    progress: Progress | None = None
    reward: float | None = None


@dataclass
class Rows:
    """The rows of one experiment. Each look reads what is new: the words of runs under way, each manifest once."""

    _ended: dict[str, Row] = field(default_factory=dict[str, Row])
    _running: dict[str, _Heard] = field(default_factory=dict[str, _Heard])

    def look(self, standings: Sequence[Standing]) -> list[Row]:
        """A row for each, in order."""
        return [self._row(standing) for standing in standings]

    def _row(self, standing: Standing) -> Row:
        run = standing.run
        if run is None or standing.status == "queued":
            return Row(standing)
        if standing.status in ("running", "cancelling"):
            return self._row_of_running(standing, run)
        if run.run_id not in self._ended:
            self._running.pop(run.run_id, None)
            self._ended[run.run_id] = _row_of_ended(standing, last_manifest(run))
        return self._ended[run.run_id]

    def _row_of_running(self, standing: Standing, run: RunHandle) -> Row:
        heard = self._running.setdefault(run.run_id, _Heard())
        said, heard.cursor = words_since(run, heard.cursor)
        for progress in filter(None, (Progress.read(words.text) for words in said)):
            heard.progress, heard.reward = progress, progress.metrics.get(REWARD, heard.reward)
        pace = heard.progress.steps_per_second if heard.progress else None
        return Row(standing, heard.reward, pace, heard.progress)


def _row_of_ended(standing: Standing, manifest: Manifest | None) -> Row:
    if manifest is None:
        return Row(standing)
    seconds = standing.run.duration_seconds if standing.run else None
    rewards = [result.mean_reward for result in manifest.eval_results.values()]
    reward = sum(rewards) / len(rewards) if rewards else None
    return Row(standing, reward, manifest.metrics.get("steps_per_second"), seconds=seconds)
