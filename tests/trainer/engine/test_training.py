"""Training as a whole: it is repeatable, it learns, it says what it did."""

import json
from math import isfinite

import gymnasium
import numpy as np
import pytest

from trainer.contract import file_digest


def test_the_same_spec_twice_gives_the_same_weights_and_the_same_metrics(small, trained):
    (one, first), (two, second) = trained(small(), "one"), trained(small(), "two")
    assert first.weights_digest == second.weights_digest
    assert timeless(one) == timeless(two)


def test_another_seed_gives_other_weights(small, trained):
    _, first = trained(small(), "one")
    _, second = trained(small(controls={"seed": 1}), "two")
    assert first.weights_digest != second.weights_digest


def test_the_number_of_workers_changes_nothing(small, trained):
    _, alone = trained(small(), "one")
    _, shared = trained(small(trainer={"num_workers": 2}), "two")
    assert alone.weights_digest == shared.weights_digest


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"agent": {"core": "gru", "core_size": 8}}, id="gru"),
        pytest.param({"agent": {"core": "lstm", "core_size": 8}}, id="lstm"),
        pytest.param({"trainer": {"optimizer": {"type": "muon"}}}, id="muon"),
        pytest.param({"trainer": {"normalize_observations": True, "normalize_rewards": True}}, id="normalized"),
        pytest.param({"trainer": {"ppo": {"target_kl": 1e-9, "value_clip_coef": 0.2}}}, id="target_kl"),
        pytest.param({"trainer": {"curriculum": {"env": {"id": "Pendulum-v1"}}}}, id="continuous"),
    ],
)
def test_every_way_to_train_ends_with_finite_numbers_and_is_repeatable(changes, small, trained):
    (run, first), (_, second) = trained(small(**changes), "one"), trained(small(**changes), "two")
    assert first.weights_digest == second.weights_digest
    for metrics in timeless(run):
        assert all(value is None or isfinite(value) for value in metrics.values())


def test_a_small_target_kl_ends_the_epochs_of_an_update_early(small, trained):
    _, patient = trained(small(trainer={"ppo": {"update_epochs": 4}}), "one")
    _, strict = trained(small(trainer={"ppo": {"update_epochs": 4, "target_kl": 1e-9}}), "two")
    _, single = trained(small(trainer={"ppo": {"update_epochs": 1}}), "three")
    assert patient.weights_digest != strict.weights_digest
    assert strict.weights_digest == single.weights_digest


def test_one_line_of_metrics_an_update_and_their_last_in_the_manifest(small, trained, reporter):
    run, manifest = trained(small())
    lines = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    assert [line["update"] for line in lines] == [1, 2, 3, 4]
    assert [line["agent_steps"] for line in lines] == [256, 512, 768, 1024]
    assert manifest.metrics["agent_steps"] == 1024
    assert manifest.metrics["reward"] == lines[-1]["overview/reward"]
    assert [progress.done for progress in reporter.progresses] == [256, 512, 768, 1024]
    assert reporter.progresses[-1].eta_seconds == 0


def test_the_learning_rate_falls_from_its_start_by_the_schedule(small, trained):
    run, _ = trained(small(trainer={"optimizer": {"learning_rate": 0.1, "schedule": "linear"}}))
    rates = [line["charts/learning_rate"] for line in timeless(run)]
    assert rates == pytest.approx([0.1, 0.075, 0.05, 0.025])


def test_the_newest_checkpoints_are_kept_and_the_last_is_the_manifests(small, trained):
    run, manifest = trained(small())
    assert {path.name for path in run.checkpoints.iterdir()} >= {"update_000003.pt", "update_000004.pt"}
    assert manifest.checkpoint is not None
    assert manifest.checkpoint.path == "train/checkpoints/update_000004.pt"
    assert manifest.checkpoint.sha256 == file_digest(run.path / manifest.checkpoint.path)


def test_profiled_updates_leave_traces(small, trained):
    run, _ = trained(small(trainer={"total_timesteps": 512, "profiler": {"interval_updates": 2}}))
    assert [path.name for path in (run.path / "torch_traces").iterdir()] == ["update_000000.json"]


class RightAnswer(gymnasium.Env):
    """Shows a sign; the action that matches it earns 1. One step an episode."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.sign = int(self.np_random.integers(2))
        return np.array([2 * self.sign - 1], np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), float(action == self.sign), True, False, {}


@pytest.fixture
def right_answer():
    gymnasium.register("RightAnswer-v0", entry_point=RightAnswer)
    yield "RightAnswer-v0"
    del gymnasium.registry["RightAnswer-v0"]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "muon"])
def test_every_optimizer_learns_the_right_answer(optimizer, right_answer, small, trained):
    rate = {"sgd": 0.3}.get(optimizer, 3e-3)
    changes = {
        "total_timesteps": 8192,
        "curriculum": {"env": {"id": right_answer}},
        "optimizer": {"type": optimizer, "learning_rate": rate, "schedule": "constant"},
        "ppo": {"gamma": 0.0, "update_epochs": 4, "entropy_coef": 0.0},
    }
    _, manifest = trained(small(trainer=changes))
    assert manifest.metrics["reward"] is not None
    assert manifest.metrics["reward"] > 0.95


def timeless(run) -> list[dict[str, float | None]]:
    """The run's metrics without those that a clock decides."""
    clocked = ("seconds", "charts/SPS")
    lines = (json.loads(line) for line in run.metrics_file.read_text().splitlines())
    return [{name: value for name, value in line.items() if name not in clocked} for line in lines]
