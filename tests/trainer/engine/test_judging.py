"""When monitors fire, on recorded curves: each answer is worked out by hand."""

import json
from itertools import accumulate

import pytest

from trainer.contract import DivergenceConfig, PlateauConfig, TargetConfig
from trainer.engine.judging import judge


def alarms(config, values):
    """The number (from 1) and the alarm of each value at which the monitor would fire."""
    memory = {}
    judged = [judge(config, memory, value) for value in values]
    return [(number, alarm) for number, alarm in enumerate(judged, 1) if alarm is not None]


def first(config, values):
    """Where it fires first, and the number that it gives; none if it never does."""
    found = alarms(config, values)
    return (found[0][0], found[0][1].value) if found else None


@pytest.mark.parametrize(
    ("bound", "values", "fires"),
    [
        ({"above": 1.0, "window": 1}, [1.0, 1.1], (2, 1.1)),
        ({"above": 1.0, "window": 3}, [9.0, 9.0], None),
        ({"above": 1.0, "window": 3}, [0.0, 3.0, 0.0, 3.0], (4, 2.0)),
        ({"above": 1.0, "window": 2}, [0.0, 3.0, None, None, 0.0], (2, 1.5)),
        ({"above": 1.0, "window": 2}, [3.0, None, None, 0.0], (4, 1.5)),
        ({"below": 0.0, "window": 2}, [1.0, -1.0, -0.5], (3, -0.75)),
        ({"falls_by": 0.5, "window": 1}, [4.0, 10.0, 5.0, 4.9], (4, 4.9)),
        ({"falls_by": 0.5, "window": 2}, [10.0, 0.0, 10.0, 2.0, 2.0], (5, 2.0)),
        ({"falls_by": 0.5, "window": 1}, [-10.0, -15.0, -15.5], (3, -15.5)),
        ({"falls_by": 1.0, "window": 1}, [0.0, 1.0, 0.0, -0.1], (4, -0.1)),
    ],
)
def test_divergence_fires_where_the_mean_of_a_whole_window_is_beyond_its_bound(bound, values, fires):
    assert first(DivergenceConfig(**bound), values) == fires


@pytest.mark.parametrize(
    ("patience", "values", "fires"),
    [
        ({"within_updates": 2}, [1.0, 2.0, 2.0, 2.0], (4, 2.0)),
        ({"within_updates": 2}, [1.0, 2.0, 2.0, 2.1, 2.1], None),
        ({"within_updates": 2, "min_delta": 0.5}, [1.0, 1.5, 1.4], (3, 1.4)),
        ({"within_updates": 2, "min_delta": 0.5}, [1.0, 1.4, 1.6, 1.6], None),
        ({"within_updates": 2}, [None, None, None, 1.0, 0.9, None], (6, 1.0)),
        ({"within_updates": 2, "better": "lower"}, [3.0, 2.0, 2.5, 1.0, 1.5, 1.0], (6, 1.0)),
        ({"within_updates": 1}, [5.0, 4.0], (2, 4.0)),
    ],
)
def test_plateau_fires_where_nothing_became_better_for_so_many_updates(patience, values, fires):
    assert first(PlateauConfig(**patience), values) == fires


@pytest.mark.parametrize(
    ("target", "values", "fires"),
    [
        ({"value": 2.0}, [1.0, 2.0], (2, 2.0)),
        ({"value": 2.0}, [None, 1.9], None),
        ({"value": 2.0, "window": 2}, [5.0, 0.0, 4.0], (1 + 1, 2.5)),
        ({"value": 2.0, "window": 2}, [9.0], None),
        ({"value": 0.1, "better": "lower"}, [0.2, 0.1], (2, 0.1)),
    ],
)
def test_target_fires_where_the_mean_is_the_target_or_better(target, values, fires):
    assert first(TargetConfig(**target), values) == fires


@pytest.mark.parametrize(
    ("config", "values", "words"),
    [
        (
            DivergenceConfig(falls_by=0.5, window=2),
            [10.0, 10.0, 2.0, 2.0],
            "the mean of overview/reward over 2 updates is 2, fallen by more than 0.5 of its best, 10",
        ),
        (
            PlateauConfig(metric="losses/value_loss", better="lower", min_delta=0.1, within_updates=1),
            [1.0, 0.95],
            "losses/value_loss has not become lower than 1 by more than 0.1 for 1 update",
        ),
        (TargetConfig(value=3), [3.5], "overview/reward is 3.5, and 3 was the target"),
    ],
)
def test_the_words_say_the_metric_the_number_and_the_bound(config, values, words):
    assert alarms(config, values)[0][1].words == words


@pytest.mark.parametrize(
    "config",
    [
        DivergenceConfig(falls_by=0.2, window=3),
        PlateauConfig(within_updates=3, min_delta=0.5),
        TargetConfig(value=12.0, window=2),
    ],
)
def test_what_it_remembers_is_plain_and_from_a_copy_of_it_any_time_it_comes_to_the_same(config):
    values = [*accumulate([1.0, 2.0, -1.0, 3.0, 5.0, 2.0, 1.0, -4.0, -6.0, 0.1, 0.2]), None, 3.0]
    whole = {}
    expected = [judge(config, whole, value) for value in values]
    for cut in range(len(values)):
        memory = {}
        before = [judge(config, memory, value) for value in values[:cut]]
        memory = json.loads(json.dumps(memory))
        assert before + [judge(config, memory, value) for value in values[cut:]] == expected
