"""A population's decisions: those of the paper on recorded curves, the same however often the sweep is killed."""

import json
import math
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from axiom_dagster.sweeps.breeding import Member, explored, following, selected
from axiom_dagster.sweeps.export import write_best
from axiom_dagster.sweeps.journal import FILE, Asked, Journal, read_journal
from axiom_dagster.sweeps.search import Search, Trial
from tests.axiom_dagster.curves import CURVES
from trainer.contract import Refused, load_experiment_spec
from trainer.contract.sweep import Sweep
from trainer.contract.sweep_population import PopulationConfig

RATE, EPOCHS, CLIP = "trainer.optimizer.learning_rate", "trainer.ppo.update_epochs", "trainer.ppo.clip_coef"
ADVANTAGE = "train.compute_advantage"
SPACE: dict[str, Any] = {
    RATE: {"low": 1e-4, "high": 1e-2, "log": True},
    EPOCHS: {"low": 1, "high": 8},
    CLIP: {"low": 0.1, "high": 0.3, "step": 0.05},
    ADVANTAGE: ["gae", "vtrace"],
}
BASE: dict[str, Any] = {
    "trainer": {
        "total_timesteps": 4096,
        "batch_size": 512,
        "minibatch_size": 128,
        "curriculum": {"env": {"id": "CartPole-v1"}},
        "optimizer": {"schedule": "constant"},
    }
}


def declared(members: int = 4, runs: int = 100, population: dict[str, Any] | None = None, **more: Any) -> Sweep:
    chosen = {"members": members, "interval": 1024, **(population or {})}
    fields = {"name": "p", "base": BASE, "space": SPACE, "population": chosen, "sampler": {"seed": 3}}
    return Sweep.accept({**fields, "budget": {"runs": runs}, **more})


def reward(trial: Trial) -> float:
    """Best at a learning rate of 0.001, and the further trained the worse: no generation but the last has the best."""
    return -trial.generation - (math.log10(trial.params[RATE]) + 3) ** 2


@pytest.fixture(scope="module")
def unsampled() -> Sweep:
    """One that never draws a value anew."""
    return declared(population={"resample": 0.0})


def bred(sweep: Sweep, folder: Path, failing: Sequence[int] = ()) -> Search:
    with Journal(folder) as journal:
        search = Search(sweep, journal)
        while trial := search.next_trial():
            far = {"agent_steps": 1024 * (trial.generation + 1), "run": f"p-{trial.name}"}
            if trial.number in failing:
                search.end(trial, "failed", why="no memory", **far)
            else:
                search.end(trial, "succeeded", reward(trial), **far)
        return search


def paper(sweep: Sweep, generation: int, members: Sequence[Member]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Algorithm 1 of the paper with truncation selection (section 4.1.1) and perturbation: each member at its turn.

    "If the current agent is in the bottom 20 % of the population, we sample another agent uniformly from the top 20 %."
    """
    ranks = sorted(range(len(members)), key=lambda member: (-(members[member].value or 0.0), member))
    share = max(1, math.floor(0.2 * len(members)))
    for member in range(len(members)):
        random = Random(f"{sweep.sampler.seed}/{generation}/{member}").random
        theta, h = member, dict(members[member].params)
        if ranks.index(member) >= len(members) - share:  # exploit
            theta = ranks[math.floor(random() * share)]
            h = dict(members[theta].params)
            for name in h:  # explore
                if random() < 0.25:
                    low, high = math.log(1e-4), math.log(1e-2)
                    h[name] = math.exp(low + (high - low) * random())
                else:
                    h[name] = min(max(h[name] * (0.8, 1.2)[math.floor(random() * 2)], 1e-4), 1e-2)
        yield theta, h


@pytest.mark.parametrize("seed", range(8))
def test_a_population_decides_on_recorded_curves_as_the_paper(seed: int) -> None:
    sweep = declared(10, space={RATE: SPACE[RATE]}, sampler={"seed": seed})
    params = [{RATE: 1e-4 * 1.5**place} for place in range(len(CURVES))]
    curves, replaced = list(range(len(CURVES))), 0
    for generation in range(1, 4):
        members = [Member(params[place], CURVES[curves[place]][generation - 1]) for place in range(len(CURVES))]
        ours = following(sweep, generation, members)
        assert [(point.origin, point.params) for point in ours] == list(paper(sweep, generation, members))
        params = [point.params for point in ours]
        replaced += sum(point.origin != place for place, point in enumerate(ours))
        curves = [curves[point.origin or 0] for point in ours]
    assert replaced == 3 * 2


@pytest.mark.parametrize("failing", [(), (1, 2)])
def test_a_population_killed_at_any_decision_decides_as_if_it_had_not_been(
    failing: tuple[int, ...], tmp_path: Path
) -> None:
    sweep = declared(3, population={"interval": 2048})
    bred(sweep, tmp_path / "whole", failing)
    whole = (tmp_path / "whole" / FILE).read_bytes()
    lines = whole.splitlines(keepends=True)
    assert len(lines) == 1 + 3 * 2 * 2 + 1
    for kept in range(len(lines) + 1):
        folder = tmp_path / f"cut-{kept}"
        folder.mkdir()
        torn = lines[kept][: len(lines[kept]) // 2] if kept < len(lines) else b""
        (folder / FILE).write_bytes(b"".join(lines[:kept]) + torn)
        bred(sweep, folder, failing)
        assert (folder / FILE).read_bytes() == whole, f"killed after line {kept}"


def test_a_generation_is_asked_for_whole_before_any_of_it_ends(tmp_path: Path) -> None:
    search = bred(declared(), tmp_path)
    assert search.stopped and search.stopped.why == "all 4 generations were trained"
    events = [entry.event for entry in read_journal(tmp_path)]
    assert events == ["began", *(["asked"] * 4 + ["ended"] * 4) * 4, "stopped"]
    assert [trial.name for trial in search.trials[3:6]] == ["member-03.g00", "member-00.g01", "member-01.g01"]


def test_only_the_worst_change_and_they_go_on_from_the_best(tmp_path: Path) -> None:
    search = bred(declared(), tmp_path)
    for generation in range(1, 4):
        before, now = (search.trials[4 * each : 4 * each + 4] for each in (generation - 1, generation))
        ranked = sorted(before, key=lambda trial: -(trial.value or 0.0))
        for old, new in zip(before, now, strict=True):
            assert new.origin == (ranked[0] if old is ranked[-1] else old).number
            assert (new.params == old.params) == (old is not ranked[-1])


def test_what_failed_is_replaced_and_its_checkpoint_never_gone_on_with(tmp_path: Path) -> None:
    search = bred(declared(), tmp_path, failing=(0, 1, 3))
    assert [trial.origin for trial in search.trials[4:8]] == [2, 2, 2, 2]
    assert len({json.dumps(trial.params) for trial in search.trials[4:8]}) == 4


def test_a_generation_in_which_all_failed_ends_the_sweep_and_the_last_whole_one_has_the_best(tmp_path: Path) -> None:
    for _ in (1, 2):
        search = bred(declared(), tmp_path, failing=(4, 5, 6, 7))
        assert search.stopped and "all 4 members of generation 1 failed; the last one: no memory" in search.stopped.why
        assert len(search.trials) == 8
        assert search.best and search.best.generation == 0


@given(st.lists(st.none() | st.integers(-3, 3), min_size=2, max_size=12), st.floats(0.01, 0.5), st.booleans())
def test_nobody_is_both_replaced_and_gone_on_from(values: list[int | None], truncation: float, maximize: bool) -> None:
    population = PopulationConfig(members=len(values), interval=1024, truncation=truncation)
    members = [Member({}, value) for value in values]
    best, worst = selected(members, population, maximize=maximize)
    assert not set(best) & set(worst)
    assert {place for place, value in enumerate(values) if value is None} <= set(worst)
    known = [value for value in values if value is not None]
    assert len(worst) == max(population.replaced, len(values) - len(known)) or not known
    for place in best:
        own = values[place]
        assert own is not None
        better = [value for value in known if (value > own if maximize else value < own)]
        assert len(better) < population.replaced


@pytest.mark.parametrize("path", SPACE)
def test_what_is_explored_is_another_value_of_the_space_or_at_its_end(path: str, unsampled: Sweep) -> None:
    for seed, value in product(range(10), unsampled.points(path) or (1e-4, 1.1e-4, 3e-3, 1e-2)):
        found = explored(unsampled, path, value, Random(seed))
        points = unsampled.points(path)
        assert found in points if points else 1e-4 <= found <= 1e-2
        assert found != value or value in ((points[0], points[-1]) if points else (1e-4, 1e-2))


def test_whole_numbers_move_by_a_factor_and_at_least_to_the_next() -> None:
    sweep = declared(population={"resample": 0.0, "factors": [1.5]})
    assert [explored(sweep, EPOCHS, value, Random(0)) for value in (1, 2, 4, 6, 8)] == [2, 3, 6, 8, 8]
    down = declared(population={"resample": 0.0, "factors": [0.9]})
    assert [explored(down, EPOCHS, value, Random(0)) for value in (1, 2, 4, 8)] == [1, 1, 3, 7]
    assert explored(down, CLIP, 0.25, Random(0)) == 0.2
    assert [explored(down, ADVANTAGE, value, Random(0)) for value in ("gae", "vtrace")] == ["gae", "gae"]
    assert explored(down, RATE, 1.05e-4, Random(0)) == 1e-4


def test_values_drawn_anew_are_spread_over_the_space() -> None:
    sweep = declared(population={"resample": 1.0})
    found = [explored(sweep, EPOCHS, 4, Random(seed)) for seed in range(400)]
    assert all(30 < found.count(value) < 70 for value in range(1, 9))
    rates = [explored(sweep, RATE, 1e-3, Random(seed)) for seed in range(400)]
    assert 0.4 < sum(rate < 1e-3 for rate in rates) / 400 < 0.6


def test_no_generation_begins_that_would_not_fit_into_the_budget(tmp_path: Path) -> None:
    search = bred(declared(runs=11), tmp_path / "runs")
    assert search.stopped and "11 runs is used: 8 were begun, and no whole generation fits" in search.stopped.why
    search = bred(declared(budget={"agent_steps": 3 * 4096}), tmp_path / "steps")
    assert (len(search.trials), search.used_agent_steps) == (12, 3 * 4096)
    assert search.stopped and "12,288 are used: no whole generation fits" in search.stopped.why
    longer = bred(declared(budget={"agent_steps": 4 * 4096}), tmp_path / "steps")
    assert [trial.params for trial in longer.trials] == [trial.params for trial in bred(declared(), tmp_path).trials]


def test_a_journal_with_another_origin_is_refused(tmp_path: Path) -> None:
    bred(declared(), tmp_path)
    lines = (tmp_path / FILE).read_text().splitlines()
    place = next(place for place, line in enumerate(lines) if json.loads(line).get("origin") is not None)
    asked = json.loads(lines[place])
    changed = {**asked, "origin": (asked["origin"] + 1) % 4}
    (tmp_path / FILE).write_text("\n".join([*lines[:place], json.dumps(changed), *lines[place + 1 :]]) + "\n")
    with pytest.raises(Refused, match="trial 4 was decided as"):
        bred(declared(), tmp_path)


def test_a_member_trains_on_from_its_origins_run_to_its_generations_end(tmp_path: Path) -> None:
    search = bred(declared(), tmp_path)
    for trial in search.trials:
        spec = search.spec(trial)
        assert spec.trainer.total_timesteps == 1024 * (trial.generation + 1)
        assert spec.trainer.optimizer.learning_rate == trial.params[RATE]
        origin = None if trial.origin is None else f"p-{search.trials[trial.origin].name}"
        assert (spec.resume_from.run if spec.resume_from else None) == origin


def test_the_best_members_last_spec_is_exported_with_its_lineage(tmp_path: Path) -> None:
    search = bred(declared(), tmp_path)
    write_best(search, tmp_path)
    last = search.trials[-4:]
    assert search.best and search.best is max(last, key=lambda trial: trial.value or 0.0)
    assert load_experiment_spec(tmp_path / "best.yaml") == search.spec(search.best)
    lineage = yaml.safe_load((tmp_path / "lineage.yaml").read_text())
    assert [each["generation"] for each in lineage] == [0, 1, 2, 3]
    assert lineage[-1]["trial"] == search.best.name
    assert lineage[-1]["params"] == search.best.params
    asked = {entry.trial: entry for entry in read_journal(tmp_path) if isinstance(entry, Asked)}
    names = {trial.name: trial.number for trial in search.trials}
    for child, parent in zip(lineage[1:], lineage, strict=False):
        assert asked[names[child["trial"]]].origin == names[parent["trial"]]
