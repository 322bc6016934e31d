"""A sweep as far as it has come, and what is decided next; it launches nothing, and the journal is all that it knows.

Whoever opens the journal decides as the one would have who was killed: each line is decided once more, and compared.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from axiom_dagster.sweeps.journal import Asked, Began, Ended, Entry, Journal, Looked, Stopped, TrialStatus
from axiom_dagster.sweeps.pruning import bracket, goes_on, rungs
from axiom_dagster.sweeps.sampling import Sampling
from trainer.contract import Refused, TrainAndEvalSpec
from trainer.contract.sweep import Sweep

MOST_FAILED_IN_A_ROW = 3
SECONDS_PER_HOUR = 3600.0


@dataclass
class Trial:
    """One trial, as far as it has come."""

    number: int
    params: Mapping[str, Any]
    looks: dict[int, Looked] = field(default_factory=dict[int, Looked])
    ended: Ended | None = None

    @property
    def name(self) -> str:
        """Its variant's name."""
        return f"trial-{self.number:04d}"

    @property
    def is_pruned(self) -> bool:
        """Whether it was decided that it stops, if only just now."""
        return any(not look.goes_on for look in self.looks.values())

    @property
    def value(self) -> float | None:
        """The sweep's metric, of a trial that succeeded."""
        return self.ended.value if self.ended else None


class Search:
    """The decisions of one sweep, one trial at a time. Each is in the journal when a method returns."""

    def __init__(self, sweep: Sweep, journal: Journal) -> None:
        """Goes on where the journal ends; raises `Refused` where it is another sweep's, or decides otherwise now."""
        self.sweep, self._journal = sweep, journal
        self.trials: list[Trial] = []
        self._sampling, self._failed_in_a_row = Sampling(sweep), 0
        self._last: Entry | None = None
        for entry in journal.entries():
            self._repeat(entry)
        if self._last is None:
            self._write(Began(sweep=sweep.plain(), optuna=version("optuna")))

    def next_trial(self) -> Trial | None:
        """The trial that is to be run or gone on with; none when the sweep has ended."""
        if self.trials and self.trials[-1].ended is None:
            return self.trials[-1]
        why = self._why_to_stop()
        params = {} if why else self._sampling.ask()
        why = why or self._why_not_to_begin(params)
        if why is None:
            self._write(Asked(trial=len(self.trials), params=params))
            return self.trials[-1]
        stopped = Stopped(why=why, best=self.best.number if self.best else None)
        if stopped != self._last:
            self._write(stopped)
        return None

    def rungs(self, trial: Trial) -> tuple[int, ...]:
        """The agent-steps at which the trial is looked at and was not yet, in order."""
        whole = steps_of(self.sweep.base)
        return tuple(each for each in rungs(self.sweep.pruner, whole, trial.number) if each not in trial.looks)

    def look(self, trial: Trial, agent_steps: int, value: float) -> bool:
        """Decide whether the trial goes on, having reached this value of the pruner's metric."""
        decided = self._judged(trial, agent_steps, value)
        self._sampling.report(agent_steps, value)
        self._write(decided)
        return decided.goes_on

    def end(
        self,
        trial: Trial,
        status: TrialStatus,
        value: float | None = None,
        *,
        agent_steps: int = 0,
        seconds: float = 0.0,
        why: str = "",
    ) -> None:
        """Keep how the trial of now has ended."""
        self._sampling.tell(status, value)
        self._write(
            Ended(trial=trial.number, status=status, value=value, agent_steps=agent_steps, seconds=seconds, why=why)
        )

    @property
    def best(self) -> Trial | None:
        """The trial with the best value, the earliest of equal ones."""
        sign = 1 if self.sweep.direction == "maximize" else -1
        known = {trial.number: sign * trial.value for trial in self.trials if trial.value is not None}
        return self.trials[max(known, key=lambda number: known[number])] if known else None

    @property
    def stopped(self) -> Stopped | None:
        """Why the sweep has ended; none while it goes on."""
        return self._last if isinstance(self._last, Stopped) else None

    @property
    def used_agent_steps(self) -> int:
        """What all trials that ended have trained."""
        return sum(trial.ended.agent_steps for trial in self.trials if trial.ended)

    @property
    def used_dollars(self) -> float:
        """What they have cost; 0 without a price."""
        price = self.sweep.budget.dollars_per_hour or 0.0
        return price * sum(trial.ended.seconds for trial in self.trials if trial.ended) / SECONDS_PER_HOUR

    def _judged(self, trial: Trial, agent_steps: int, value: float) -> Looked:
        rivals = (other for other in self.trials[: trial.number] if self._bracket(other) == self._bracket(trial))
        others = [other.looks[agent_steps].value for other in rivals if agent_steps in other.looks]
        maximize, factor = self.sweep.direction == "maximize", self.sweep.pruner.reduction_factor
        verdict = goes_on(value, others, factor, maximize=maximize)
        return Looked(trial=trial.number, agent_steps=agent_steps, value=value, goes_on=verdict)

    def _bracket(self, trial: Trial) -> int:
        return bracket(self.sweep.pruner, steps_of(self.sweep.base), trial.number)

    def _why_to_stop(self) -> str | None:
        budget, begun = self.sweep.budget, len(self.trials)
        if self._failed_in_a_row >= MOST_FAILED_IN_A_ROW:
            last = self.trials[-1].ended
            return f"{MOST_FAILED_IN_A_ROW} trials failed in a row; the last one: {last.why if last else ''}"
        if self.sweep.sampler.type == "grid" and begun == self.sweep.size:
            return f"all {begun} points of the grid were tried"
        if budget.runs is not None and begun >= budget.runs:
            return f"the budget of {budget.runs} runs is used"
        if budget.dollars is not None and self.used_dollars >= budget.dollars:
            return f"the budget of ${budget.dollars:.2f} is used: ${self.used_dollars:.2f}"
        return None

    def _why_not_to_begin(self, params: Mapping[str, Any]) -> str | None:
        bound = self.sweep.budget.agent_steps
        if bound is None or self.used_agent_steps + self._whole_steps(params) <= bound:
            return None
        return f"of the budget of {bound:,} agent-steps {self.used_agent_steps:,} are used: no whole training fits"

    def _whole_steps(self, params: Mapping[str, Any]) -> int:
        try:
            return steps_of(self.sweep.spec(params))
        except Refused:
            return 0  # It trains nothing, and fails.

    def _write(self, entry: Entry) -> None:
        self._journal.append(entry)
        self._take(entry)

    def _repeat(self, entry: Entry) -> None:
        """Take a line that an earlier process wrote, deciding it once more."""
        if isinstance(entry, Began):
            self._refuse_another_sweep(entry)
        elif isinstance(entry, Asked):
            self._refuse_unequal(self._sampling.ask(), entry.params, entry)
        elif isinstance(entry, Looked):
            trial = self.trials[entry.trial]
            self._refuse_unequal(self._judged(trial, entry.agent_steps, entry.value).plain(), entry.plain(), entry)
            self._sampling.report(entry.agent_steps, entry.value)
        elif isinstance(entry, Ended):
            self._sampling.tell(entry.status, entry.value)
        self._take(entry)

    def _take(self, entry: Entry) -> None:
        if isinstance(entry, Asked):
            self.trials.append(Trial(entry.trial, entry.params))
        elif isinstance(entry, Looked):
            self.trials[entry.trial].looks[entry.agent_steps] = entry
        elif isinstance(entry, Ended):
            self.trials[entry.trial].ended = entry
            self._failed_in_a_row = self._failed_in_a_row + 1 if entry.status == "failed" else 0
        elif isinstance(entry, Stopped):
            self._failed_in_a_row = 0
        self._last = entry

    def _refuse_another_sweep(self, began: Began) -> None:
        if {**began.sweep, "budget": None} == {**self.sweep.plain(), "budget": None}:
            return
        why = "a sweep of this name was begun with other words, and only its budget may change; give it another name"
        raise Refused.one("name", self.sweep.name, why)

    def _refuse_unequal(self, now: Mapping[str, Any], then: Mapping[str, Any], entry: Asked | Looked) -> None:
        if json.dumps(now, sort_keys=True) == json.dumps(then, sort_keys=True):
            return
        why = (
            f"trial {entry.trial} was decided as {then}, and would be now as {now}: the versions of Optuna or of this "
            f"program differ from those that began the sweep; go on with them, or give the sweep another name"
        )
        raise Refused.one("journal", str(self._journal.path), why)


def steps_of(spec: TrainAndEvalSpec) -> int:
    """The agent-steps of a whole training: whole batches."""
    return spec.trainer.num_updates * spec.trainer.batch_size
