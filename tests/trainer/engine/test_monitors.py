"""Monitors act on real trainings: what fires is recorded, stops or saves, and a repetition comes to the same."""

import json

import pytest
import torch

from trainer.contract import Refused, RunDirectory, TrainAndEvalSpec, read_manifest
from trainer.contract.monitors import METRICS, WALL_TIME
from trainer.engine.checkpoint import load_checkpoint
from trainer.engine.digests import read_digests
from trainer.engine.monitors import Diverged, lost_weights
from trainer.engine.verify import verify
from trainer.entry import run_stage
from trainer.stopping import Cancelled

UPDATES = 4
CLOCKED = ("seconds", "value")


class Interrupted:
    """A reporter that is told to stop after some updates."""

    def __init__(self, updates: int) -> None:
        self.left = updates

    def progress(self, progress):
        self.left -= 1
        if self.left == 0:
            raise Cancelled

    def log(self, message):
        pass


def reaching(metric="losses/entropy", **changes):
    """A target that the second update has reached, counted from the first value that it looks at."""
    return {"target": {"there": {"metric": metric, "value": 0, "window": 2, **changes}}}


def monitored(small, monitors, **trainer) -> TrainAndEvalSpec:
    return small(trainer={"monitors": monitors, **trainer})


def rows_of(run: RunDirectory) -> list[dict[str, float]]:
    return [json.loads(line) for line in run.metrics_file.read_text().splitlines()]


def asked(manifest) -> list[dict[str, object]]:
    return [{k: v for k, v in each.plain().items() if k != "seconds"} for each in manifest.interventions]


def test_every_metric_that_a_monitor_may_name_is_reported_and_no_other_number_is(small, trained):
    run, _ = trained(small())
    (first, *_) = rows_of(run)
    assert {*METRICS, *WALL_TIME, "update", "agent_steps"} == first.keys()


def test_a_target_that_stops_ends_the_training_as_a_success_and_the_manifest_says_why(small, trained, reporter):
    spec = monitored(small, reaching(actions=["stop_early"]), checkpoint={"interval_updates": 10})
    run, manifest = trained(spec)
    assert (manifest.status, manifest.metrics["updates"], manifest.metrics["agent_steps"]) == ("succeeded", 2, 512)
    mean = sum(row["losses/entropy"] for row in rows_of(run)) / 2
    (found,) = manifest.interventions
    assert asked(manifest) == [
        {
            "intervention": "stop_early",
            "reason": f"the mean of losses/entropy over 2 updates is {mean:.4g}, and 0 was the target",
            "path": "trainer.monitors.target.there",
            "iteration": 2,
            "honoured_by": ["train.updates#2"],
            "metric": "losses/entropy",
            "value": mean,
            "agent_steps": 512,
        }
    ]
    assert found.monitor == "target.there"
    assert found.seconds == manifest.metrics["seconds"]
    assert manifest.checkpoint.path == "train/checkpoints/update_000002.pt"
    last = reporter.progresses[-1]
    assert (last.done, last.total, last.eta_seconds, last.saved) == (512, 512, 0, True)
    assert [line for line in reporter.lines if line.startswith("WARNING")] == [
        f"WARNING: update 2: monitors.target.there: {found.reason} (stop early)"
    ]
    assert run_stage("evaluate", run, reporter).eval_results["CartPole-v1"].episodes


def test_what_only_notifies_changes_nothing_of_the_training(small, trained):
    _, alone = trained(small(), "alone")
    _, watched = trained(monitored(small, reaching()), "watched")
    assert watched.weights_digest == alone.weights_digest
    assert [(each.intervention, each.honoured_by) for each in watched.interventions] == [("notify", ("log",))]


def test_a_checkpoint_that_a_monitor_asks_for_is_one_that_another_training_can_begin_with(small, trained):
    monitors = {
        "plateau": {"flat": {"metric": "charts/learning_rate", "within_updates": 2, "actions": ["save_checkpoint"]}}
    }
    run, manifest = trained(monitored(small, monitors, checkpoint={"interval_updates": 4}))
    assert manifest.metrics["updates"] == UPDATES
    assert [each.iteration for each in manifest.interventions] == [3]
    assert load_checkpoint(run.checkpoints / "requested_000003.pt")["update"] == 3
    again = small(resume_from={"run": run.instance_name, "update": 3})
    assert trained(again, "again")[1].metrics["updates"] == UPDATES


def test_a_training_that_diverges_fails_keeps_its_numbers_and_earlier_checkpoint_and_fails_alike_again(
    small, start, reporter
):
    monitors = {"divergence": {"kl": {"metric": "losses/grad_norm", "above": 0, "window": 3}}}
    run = start(monitored(small, monitors))
    for attempt in (1, 2):
        with pytest.raises(Diverged, match=r"update 3: monitors\.divergence\.kl: the mean of losses/grad_norm over 3"):
            run_stage("train", run, reporter)
        manifest = read_manifest(run.manifest_file("train"))
        assert (manifest.status, manifest.attempt, manifest.stopped_at.update) == ("failed", attempt, 3)
        assert [(each.monitor, each.iteration) for each in manifest.interventions] == [("divergence.kl", 3)]
        assert [row["update"] for row in rows_of(run)] == [1, 2, 3]
        assert max(run.checkpoints.iterdir()).name == "update_000002.pt"


def test_numbers_that_are_none_fail_the_training_and_the_monitor_is_on_record(small, start, reporter):
    spec = monitored(small, {"non_finite": {"numbers": {}}}, optimizer={"type": "sgd", "learning_rate": 10.0},
                     ppo={"max_grad_norm": 1e30}, normalize_rewards=False)  # fmt: skip
    run = start(spec)
    with pytest.raises(Diverged, match="learning_rate is too large"):
        run_stage("train", run, reporter)
    (found,) = read_manifest(run.manifest_file("train")).interventions
    assert (found.monitor, found.intervention, found.value) == ("non_finite.numbers", "stop_early", None)
    assert "losses/" in found.reason


def test_weights_that_are_not_finite_fail_the_training_though_every_metric_is(small, start, reporter):
    def poison(training, info):
        if training.done == 1:
            next(iter(training.policy.parameters())).data[0] = float("nan")

    spec = monitored(small, {"non_finite": {"weights": {"of": "weights"}}})
    run = start(spec)
    with pytest.raises(
        Diverged, match=r"update 2: monitors\.non_finite\.weights: the weights .*\.weight are not finite"
    ):
        run_stage("train", run, reporter, hooks={"train.epochs": [poison]})


def test_weights_are_looked_at_by_name():
    module = torch.nn.Linear(2, 2)
    assert lost_weights(module) == []
    module.weight.data[0, 0], module.bias.data[1] = float("inf"), float("nan")
    assert lost_weights(module) == ["weight", "bias"]


@pytest.mark.parametrize("after", [1, 2, 3, 5])
def test_a_monitored_training_that_was_interrupted_decides_as_one_that_was_not(after, small, start, trained, reporter):
    monitors = {
        **reaching(window=3),
        "plateau": {"flat": {"metric": "charts/learning_rate", "within_updates": 4}},
    }
    spec = monitored(small, monitors, total_timesteps=2048, checkpoint={"interval_updates": 2, "keep": 2})
    whole, never = trained(spec, "whole")
    run = start(spec, "stopped")
    with pytest.raises(Cancelled):
        run_stage("train", run, Interrupted(after))
    manifest = run_stage("train", run, reporter)
    assert asked(manifest) == asked(never)
    assert [(each.monitor, each.iteration) for each in never.interventions] == [
        ("target.there", 3),
        ("plateau.flat", 5),
    ]
    assert (manifest.metrics["updates"], manifest.weights_digest) == (5, never.weights_digest)
    assert read_digests(run.digests_file) == read_digests(whole.digests_file)


def test_an_early_end_is_verified_to_the_last_bit(small, trained, reporter):
    run, manifest = trained(monitored(small, reaching(actions=["stop_early"])))
    found = verify(run, reporter)
    assert (found.verdict, found.updates, found.recorded_updates) == ("identical", 2, 2)
    assert found.found_weights == manifest.weights_digest


def test_a_divergence_is_verified_up_to_the_update_that_it_was_found_in(small, start, reporter):
    run = start(monitored(small, {"divergence": {"d": {"metric": "losses/grad_norm", "above": 0, "window": 2}}}))
    with pytest.raises(Diverged):
        run_stage("train", run, reporter)
    found = verify(run, reporter)
    assert (found.verdict, found.updates, found.recorded_updates) == ("identical", 2, 2)


def test_a_run_that_goes_on_from_one_that_was_stopped_judges_its_own_updates(small, trained):
    stopping = monitored(small, reaching(actions=["stop_early"]))
    run, _ = trained(stopping)
    again = TrainAndEvalSpec.accept({**stopping.plain(), "resume_from": {"run": run.instance_name}})
    _, manifest = trained(again, "again")
    assert manifest.metrics["updates"] == UPDATES
    assert [each.iteration for each in manifest.interventions] == [4]


def test_the_spec_of_a_run_that_was_stopped_early_is_refused_where_no_run_reports_the_metric(small):
    with pytest.raises(Refused, match=r"trainer\.monitors\.target\.there\.metric = 'reward': no training reports"):
        monitored(small, reaching("reward"))
