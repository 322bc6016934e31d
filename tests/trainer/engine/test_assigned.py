"""Which share of environments was assigned what: counted by hand, in metrics that stay small."""

import json

import pytest

from trainer.contract import Refused, TrainAndEvalSpec
from trainer.engine.assigned import shares
from trainer.engine.checkpoint import load_checkpoint
from trainer.entry import run_stage
from trainer.stopping import Cancelled

BUCKETS = {"kwargs.max_episode_steps": [10]}
LEVELS = {"levels": [{"buckets": BUCKETS, "until_progress": 0.5}, {"buckets": {"kwargs.max_episode_steps": [10, 30]}}]}


class Interrupted:
    """A reporter that is told to stop after three updates."""

    left = 3

    def progress(self, progress):
        self.left -= 1
        if self.left == 0:
            raise Cancelled

    def log(self, message):
        pass


def spec_of(small):
    env = {"env": {"id": "CartPole-v1", "kwargs": {"max_episode_steps": 20}}}
    trainer = {"curriculum": env, "checkpoint": {"interval_updates": 2}}
    return small(overrides={"curriculum": {"levels": LEVELS}}, trainer=trainer)


def of_curriculum(run):
    rows = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    return [{name: value for name, value in row.items() if name.startswith("curriculum/")} for row in rows]


def test_each_value_has_its_share_under_its_path():
    tasks = [{"arena.combat": 0.0, "size": 1.5}] * 3 + [{"arena.combat": 1.0}]
    assert shares(tasks, ()) == {
        "curriculum/arena.combat=0": 0.75,
        "curriculum/arena.combat=1": 0.25,
        "curriculum/size=1.5": 0.75,
    }


def test_the_specs_own_environment_has_no_metric():
    assert shares([{}, {}], ("seconds",)) == {}


def test_a_value_that_is_gone_has_the_share_zero_unless_there_are_too_many():
    few, many = ([f"curriculum/x={value}" for value in range(count)] for count in (64, 65))
    assert shares([{"x": 3.0}], few) == dict.fromkeys(few, 0.0) | {"curriculum/x=3": 1.0}
    assert shares([{"x": 3.0}], many) == {"curriculum/x=3": 1.0}


def test_a_training_records_what_its_curriculum_assigned(small, trained):
    run, manifest = trained(spec_of(small))
    rows, path = of_curriculum(run), "curriculum/kwargs.max_episode_steps="
    assert rows[:2] == [{f"{path}10": 1.0}] * 2
    assert [sum(row.values()) for row in rows] == [1.0] * 4
    assert any(row.get(f"{path}30", 0) > 0 for row in rows[2:])
    memory = load_checkpoint(run.path / manifest.checkpoint.path)["curriculum"]
    assert memory["began"].tolist() == [0.0, 0.5]


def test_a_schedule_that_was_interrupted_goes_on_as_one_that_was_not(small, start, trained, reporter):
    whole, never = trained(spec_of(small), "whole")
    run = start(spec_of(small), "stopped")
    with pytest.raises(Cancelled):
        run_stage("train", run, Interrupted())
    manifest = run_stage("train", run, reporter)
    assert of_curriculum(run) == of_curriculum(whole)
    assert manifest.weights_digest == never.weights_digest


def test_a_level_that_the_environment_does_not_have_is_refused_by_name():
    levels = [{"buckets": {"arena.combat": [0]}, "until_progress": 0.5}, {"buckets": {"arena.num_mine": [1]}}]
    with pytest.raises(Refused, match=r"overrides\.train\.curriculum: arena\.num_mine = 1.*'arena\.num_mines'"):
        TrainAndEvalSpec.accept({"overrides": {"curriculum": {"levels": {"levels": levels}}}})
