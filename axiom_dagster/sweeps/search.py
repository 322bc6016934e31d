"""A sweep as far as it has come, and what is decided next; it launches nothing, and the journal is all that it knows.

Whoever opens the journal decides as the one would have who was killed: each line is decided once more, and compared.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from axiom_dagster.sweeps.breeding import Breeding
from axiom_dagster.sweeps.ending import why_not_to_begin, why_to_stop
from axiom_dagster.sweeps.journal import Asked, Began, Ended, Entry, Journal, Looked, Stopped, TrialStatus
from axiom_dagster.sweeps.pruning import bracket, goes_on, rungs
from axiom_dagster.sweeps.sampling import Point, Sampling
from trainer.contract import Refused, TrainAndEvalSpec
from trainer.contract.sweep import Sweep

SECONDS_PER_HOUR = 3600.0


@dataclass
class Trial:
    """One trial, as far as it has come."""

    number: int
    name: str
    """Its variant's name."""
    params: Mapping[str, Any]
    looks: dict[int, Looked] = field(default_factory=dict[int, Looked])
    ended: Ended | None = None
    origin: int | None = None
    member: int | None = None
    """Its place in the population; none without one."""
    generation: int = 0

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
        self.failed_in_a_row = 0
        self._chooser = Sampling(sweep) if sweep.population is None else Breeding(sweep)
        self._last: Entry | None = None
        for entry in journal.entries():
            self._repeat(entry)
        if self._last is None:
            self._write(Began(sweep=sweep.plain(), optuna=version("optuna")))

    def next_trial(self) -> Trial | None:
        """The first trial that is to be run or gone on with; none when the sweep has ended.

        In a population it is one of `open`, which are all to be run now; they end in their order.
        """
        if not self.open and not self._begin():
            return None
        while len(self.trials) % self.sweep.together:
            self._write(self._asked(self._chooser.ask()))
        return self.open[0]

    @property
    def open(self) -> list[Trial]:
        """The trials that were asked for and have not ended."""
        return [trial for trial in self.trials if trial.ended is None]

    def spec(self, trial: Trial) -> TrainAndEvalSpec:
        """The spec of its run; raises `Refused` where its values do not fit together."""
        spec, population = self.sweep.spec(trial.params), self.sweep.population
        return spec if population is None else population.spec(spec, trial.generation, self._run_before(trial))

    def lineage(self, trial: Trial) -> list[Trial]:
        """The trials whose trainings led to this one, the first one first, itself the last."""
        found = [trial]
        while (origin := found[0].origin) is not None:
            found.insert(0, self.trials[origin])
        return found

    def rungs(self, trial: Trial) -> tuple[int, ...]:
        """The agent-steps at which the trial is looked at and was not yet, in order."""
        whole = self.sweep.base.trainer.agent_steps
        return tuple(each for each in rungs(self.sweep.pruner, whole, trial.number) if each not in trial.looks)

    def look(self, trial: Trial, agent_steps: int, value: float) -> bool:
        """Decide whether the trial goes on, having reached this value of the pruner's metric."""
        decided = self._judged(trial, agent_steps, value)
        self._chooser.report(agent_steps, value)
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
        run: str = "",
    ) -> None:
        """Keep how the first open trial has ended; `agent_steps` is how far its training had come, all in all."""
        assert trial is self.open[0]
        self._chooser.tell(status, value)
        how = {"status": status, "value": value, "agent_steps": agent_steps, "seconds": seconds, "why": why, "run": run}
        self._write(Ended.model_validate({"trial": trial.number, **how}))

    @property
    def best(self) -> Trial | None:
        """The trial with the best value, the earliest of equal ones; in a population one of the last whole generation.

        A generation without any value does not count.
        """
        sign = 1 if self.sweep.direction == "maximize" else -1
        known = {trial.number: sign * trial.value for trial in self.rivals if trial.value is not None}
        return self.trials[max(known, key=lambda number: known[number])] if known else None

    @property
    def rivals(self) -> list[Trial]:
        """The trials of which one is the best: all, in a population those of the last whole generation with a value."""
        generations = [each for each in self.generations if any(trial.value is not None for trial in each)]
        if self.sweep.population is None:
            return self.trials
        return generations[-1] if generations else []

    @property
    def generations(self) -> list[list[Trial]]:
        """In a population the members of each generation that has ended."""
        ended, members = sum(trial.ended is not None for trial in self.trials), self.sweep.together
        return [self.trials[end - members : end] for end in range(members, ended + 1, members)]

    @property
    def stopped(self) -> Stopped | None:
        """Why the sweep has ended; none while it goes on."""
        return self._last if isinstance(self._last, Stopped) else None

    @property
    def used_agent_steps(self) -> int:
        """What all trials that ended have trained, each on from where it began."""
        return sum(max(0, _steps(trial) - self._steps_before(trial)) for trial in self.trials)

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
        return bracket(self.sweep.pruner, self.sweep.base.trainer.agent_steps, trial.number)

    def _begin(self) -> bool:
        """Ask for a trial, in a population for the first one of a generation; false where the sweep ends instead."""
        why = why_to_stop(self)
        point = Point({}) if why else self._chooser.ask()
        why = why or why_not_to_begin(self, self._whole_steps(point.params))
        if why is None:
            self._write(self._asked(point))
            return True
        stopped = Stopped(why=why, best=self.best.number if self.best else None)
        if stopped != self._last:
            self._write(stopped)
        return False

    def _asked(self, point: Point) -> Asked:
        return Asked(trial=len(self.trials), params=point.params, origin=point.origin)

    def _run_before(self, trial: Trial) -> str | None:
        before = None if trial.origin is None else self.trials[trial.origin].ended
        return before.run if before else None

    def _steps_before(self, trial: Trial) -> int:
        return 0 if trial.origin is None else _steps(self.trials[trial.origin])

    def _whole_steps(self, params: Mapping[str, Any]) -> int:
        """What is begun with these values trains: a trial, or a generation."""
        if population := self.sweep.population:
            return population.members * population.interval
        try:
            return self.sweep.spec(params).trainer.agent_steps
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
            self._refuse_unequal(self._asked(self._chooser.ask()).plain(), entry.plain(), entry)
        elif isinstance(entry, Looked):
            trial = self.trials[entry.trial]
            self._refuse_unequal(self._judged(trial, entry.agent_steps, entry.value).plain(), entry.plain(), entry)
            self._chooser.report(entry.agent_steps, entry.value)
        elif isinstance(entry, Ended):
            self._chooser.tell(entry.status, entry.value)
        self._take(entry)

    def _take(self, entry: Entry) -> None:
        if isinstance(entry, Asked):
            self.trials.append(self._trial(entry))
        elif isinstance(entry, Looked):
            self.trials[entry.trial].looks[entry.agent_steps] = entry
        elif isinstance(entry, Ended):
            self.trials[entry.trial].ended = entry
            self.failed_in_a_row = self.failed_in_a_row + 1 if entry.status == "failed" else 0
        elif isinstance(entry, Stopped):
            self.failed_in_a_row = 0
        self._last = entry

    def _trial(self, asked: Asked) -> Trial:
        name, (generation, member) = name_of(self.sweep, asked.trial), divmod(asked.trial, self.sweep.together)
        if self.sweep.population is None:
            return Trial(asked.trial, name, asked.params)
        return Trial(asked.trial, name, asked.params, origin=asked.origin, member=member, generation=generation)

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


def name_of(sweep: Sweep, number: int) -> str:
    """The name of a trial: `trial-0007`, or `member-03.g01` in generation 1 of a population."""
    if sweep.population is None:
        return f"trial-{number:04d}"
    generation, member = divmod(number, sweep.together)
    return f"member-{member:02d}.g{generation:02d}"


def _steps(trial: Trial) -> int:
    return trial.ended.agent_steps if trial.ended else 0
