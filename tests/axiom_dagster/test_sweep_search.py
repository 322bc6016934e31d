"""A sweep's decisions: the same however often it is killed, with every sampler, on objectives with a closed form."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from axiom_dagster.sweeps.journal import FILE, Journal
from axiom_dagster.sweeps.search import Search, Trial
from trainer.contract import Refused
from trainer.contract.sweep import Sweep

RATE, EPOCHS, KIND = "trainer.optimizer.learning_rate", "trainer.ppo.update_epochs", "trainer.optimizer.type"
SPACE: dict[str, Any] = {
    RATE: {"low": 1e-4, "high": 1e-1, "log": True},
    EPOCHS: {"low": 1, "high": 6},
    KIND: ["adam", "sgd", "muon"],
}
GRID: dict[str, Any] = {EPOCHS: {"low": 1, "high": 3}, KIND: ["adam", "sgd"]}
SAMPLERS = ["grid", "random", "tpe", "cma_es"]
ASHA = {"type": "asha", "min_agent_steps": 4096, "reduction_factor": 2}


def declared(sampler: str = "tpe", runs: int = 8, pruner: dict[str, Any] = ASHA, seed: int = 5, **more: Any) -> Sweep:
    space = GRID if sampler == "grid" else SPACE
    chosen = {"type": sampler, "startup_trials": 3, "seed": seed}
    fields = {"name": "s", "base": "quick", "space": space, "sampler": chosen, "pruner": pruner}
    return Sweep.accept({**fields, "budget": {"runs": runs}, **more})


def reward(params: dict[str, Any]) -> float:
    """Best at a learning rate of 0.01, 4 epochs, and muon."""
    kind = {"adam": 1.0, "sgd": 0.0, "muon": 1.5}[params[KIND]]
    rate = params.get(RATE, 0.01)
    return kind - (math.log10(rate) + 2) ** 2 - 0.1 * (params[EPOCHS] - 4) ** 2


def try_out(search: Search, trial: Trial) -> None:
    """What a driver does: looks at each rung, then the end. Every fifth trial fails."""
    value = reward(dict(trial.params))
    for rung in search.rungs(trial):
        if trial.is_pruned:
            break
        search.look(trial, rung, value * rung)
    if trial.is_pruned:
        search.end(trial, "pruned", agent_steps=max(trial.looks))
    elif trial.number % 5 == 4:
        search.end(trial, "failed", why="it is the fifth")
    else:
        search.end(trial, "succeeded", value, agent_steps=49_152)


def sweep_out(sweep: Sweep, folder: Path) -> Search:
    with Journal(folder) as journal:
        search = Search(sweep, journal)
        while trial := search.next_trial():
            try_out(search, trial)
        return search


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sweep_killed_at_any_decision_decides_as_if_it_had_not_been(sampler: str, tmp_path: Path) -> None:
    # Enough trials for a generation of CMA-ES, which learns from those that were not pruned.
    sweep = declared(sampler, runs=12, pruner={}) if sampler == "cma_es" else declared(sampler, runs=6)
    sweep_out(sweep, tmp_path / "whole")
    whole = (tmp_path / "whole" / FILE).read_bytes()
    lines = whole.splitlines(keepends=True)
    assert len(lines) > 2 * 6
    for kept in range(len(lines) + 1):
        folder = tmp_path / f"cut-{kept}"
        folder.mkdir()
        torn = lines[kept][: len(lines[kept]) // 2] if kept < len(lines) else b""
        (folder / FILE).write_bytes(b"".join(lines[:kept]) + torn)
        sweep_out(sweep, folder)
        assert (folder / FILE).read_bytes() == whole, f"killed after line {kept}"


def test_a_grid_tries_every_point_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    search = sweep_out(declared("grid", runs=50, pruner={}), tmp_path)
    tried = [(trial.params[EPOCHS], trial.params[KIND]) for trial in search.trials]
    assert tried == [(epochs, kind) for epochs in (1, 2, 3) for kind in ("adam", "sgd")]
    assert search.stopped and search.stopped.why == "all 6 points of the grid were tried"


def test_samplers_that_learn_come_nearer_than_chance(tmp_path: Path) -> None:
    late = {}
    for sampler in ("random", "tpe", "cma_es"):
        trials = sweep_out(declared(sampler, runs=24, pruner={}), tmp_path / sampler).trials
        assert all(1e-4 <= trial.params[RATE] <= 1e-1 and trial.params[EPOCHS] in range(1, 7) for trial in trials)
        late[sampler] = sum(reward(dict(trial.params)) for trial in trials[-10:]) / 10
    assert late["tpe"] > late["random"] + 0.5
    assert late["cma_es"] > late["random"] + 0.5


def test_another_seed_tries_other_points(tmp_path: Path) -> None:
    one = sweep_out(declared("random", seed=1), tmp_path / "one")
    other = sweep_out(declared("random", seed=2), tmp_path / "other")
    assert [trial.params for trial in one.trials] != [trial.params for trial in other.trials]


def test_the_best_is_the_smallest_where_less_is_better(tmp_path: Path) -> None:
    search = sweep_out(declared("random", pruner={}, better="lower"), tmp_path)
    values = [trial.value for trial in search.trials if trial.value is not None]
    assert search.best and search.best.value == min(values)
    assert search.stopped and search.stopped.best == search.best.number


def test_a_larger_budget_goes_on_behind_the_end(tmp_path: Path) -> None:
    short = sweep_out(declared(runs=4), tmp_path)
    assert short.stopped and short.stopped.why == "the budget of 4 runs is used"
    long = sweep_out(declared(runs=9), tmp_path)
    assert [trial.params for trial in long.trials[:4]] == [trial.params for trial in short.trials]
    assert len(long.trials) == 9
    assert [t.params for t in long.trials] == [
        t.params for t in sweep_out(declared(runs=9), tmp_path / "at_once").trials
    ]


def test_opening_a_sweep_that_has_ended_writes_nothing(tmp_path: Path) -> None:
    sweep_out(declared(runs=3), tmp_path)
    before = (tmp_path / FILE).read_bytes()
    sweep_out(declared(runs=3), tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


def test_no_trial_begins_that_would_go_beyond_the_agent_steps(tmp_path: Path) -> None:
    search = sweep_out(declared(pruner={}, budget={"agent_steps": 150_000}), tmp_path)
    assert search.used_agent_steps == 3 * 49_152
    assert search.stopped and "147,456 are used: no whole training fits" in search.stopped.why


def test_no_trial_begins_once_the_money_is_spent(tmp_path: Path) -> None:
    sweep = declared(pruner={}, budget={"dollars": 1.0, "dollars_per_hour": 2.0})
    with Journal(tmp_path) as journal:
        search = Search(sweep, journal)
        while trial := search.next_trial():
            search.end(trial, "succeeded", 0.0, seconds=720.0)
    assert len(search.trials) == 3
    assert search.stopped and search.stopped.why == "the budget of $1.00 is used: $1.20"


def test_three_failures_in_a_row_end_the_sweep_and_the_next_launch_tries_again(tmp_path: Path) -> None:
    for launch in (1, 2):
        with Journal(tmp_path) as journal:
            search = Search(declared(pruner={}), journal)
            while trial := search.next_trial():
                search.end(trial, "failed", why="no memory")
        assert len(search.trials) == 3 * launch
        assert search.stopped and search.stopped.why == "3 trials failed in a row; the last one: no memory"


def test_a_sweep_declared_otherwise_is_refused(tmp_path: Path) -> None:
    sweep_out(declared(runs=3), tmp_path)
    with pytest.raises(Refused, match="only its budget may change"):
        sweep_out(declared(runs=3, better="lower"), tmp_path)


def test_a_journal_that_this_program_would_not_have_written_is_refused(tmp_path: Path) -> None:
    sweep_out(declared(runs=3), tmp_path)
    lines = (tmp_path / FILE).read_text().splitlines()
    asked = json.loads(lines[1])
    asked["params"][EPOCHS] = 7 - asked["params"][EPOCHS]
    (tmp_path / FILE).write_text("\n".join([lines[0], json.dumps(asked), *lines[2:]]) + "\n")
    with pytest.raises(Refused, match="trial 0 was decided as"):
        sweep_out(declared(runs=3), tmp_path)


def test_a_damaged_line_is_refused_with_its_number(tmp_path: Path) -> None:
    sweep_out(declared(runs=3), tmp_path)
    lines = (tmp_path / FILE).read_text().splitlines()
    (tmp_path / FILE).write_text("\n".join([lines[0], "{}", *lines[2:]]) + "\n")
    with pytest.raises(Refused, match="line 2 is damaged"):
        sweep_out(declared(runs=3), tmp_path)


def test_two_processes_never_search_at_once(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(Refused, match="another process is at this sweep"):
        Journal(tmp_path)


def test_hyperbands_trials_are_judged_within_their_bracket(tmp_path: Path) -> None:
    pruner = {"type": "hyperband", "min_agent_steps": 12_288, "reduction_factor": 2}
    with Journal(tmp_path) as journal:
        search = Search(declared("random", runs=11, pruner=pruner), journal)
        while trial := search.next_trial():
            # Worse from trial to trial: in each bracket only the first goes on.
            on = all(search.look(trial, rung, -float(trial.number)) for rung in search.rungs(trial))
            search.end(trial, "succeeded" if on else "pruned", 0.0 if on else None)
    looked = {trial.number: next(iter(trial.looks.values())) for trial in search.trials if trial.looks}
    assert [number for number, look in looked.items() if look.goes_on] == [0, 4]
    assert {number: look.agent_steps for number, look in looked.items() if number in (0, 4)} == {0: 12_288, 4: 24_576}
    assert not any(search.trials[number].looks for number in (7, 8, 9))
