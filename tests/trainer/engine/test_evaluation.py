"""Evaluation: the same episodes for everyone, intervals by the book, refusals before anything runs."""

import json
from math import sqrt

import gymnasium
import pytest
from gymnasium.envs.classic_control import CartPoleEnv

from trainer.contract import Refused, RunDirectory, file_digest, save_experiment_spec, set_values
from trainer.engine.evaluation import interval
from trainer.entry import run_stage


def test_the_interval_is_students():
    found = interval([1.0, 2.0, 3.0, 4.0])
    half = 3.182446305284263 * sqrt(5 / 3) / 2  # t(0.975, 3 degrees of freedom) * s / sqrt(4)
    assert (found.mean, found.low, found.high) == pytest.approx((2.5, 2.5 - half, 2.5 + half))


def test_equal_rewards_have_an_interval_without_width():
    found = interval([7.0, 7.0])
    assert (found.low, found.high) == (7.0, 7.0)


def test_the_manifest_names_its_parent_and_holds_every_episode(small, trained, reporter):
    run, train = trained(small())
    manifest = run_stage("evaluate", run, reporter)
    result = manifest.eval_results["CartPole-v1"]
    assert manifest.parents == {"train": train.digest}
    assert [episode.seed for episode in result.episodes] == [episode.seed for episode in result.random_episodes]
    assert len({episode.seed for episode in result.episodes}) == 3
    assert result.mean_reward == pytest.approx(sum(episode.reward for episode in result.episodes) / 3)
    recorded = {artifact.path: artifact.sha256 for artifact in manifest.artifacts}
    code = {"evaluate/code_files.json", "evaluate/code.patch"}
    assert set(recorded) - code == {"evaluate/episodes.json", "replays/CartPole-v1/episode_0000.json.z"}
    assert all(digest == file_digest(run.path / path) for path, digest in recorded.items())
    assert reporter.progresses[-1].done == reporter.progresses[-1].total == 6


def test_evaluating_twice_gives_the_same_episodes_whatever_the_workers(small, trained, reporter, tmp_path):
    spec = small()
    run, _ = trained(spec)
    first = run_stage("evaluate", run, reporter)
    again = RunDirectory(tmp_path / "again")
    save_experiment_spec(set_values(spec, ["trainer.num_workers=2"]), again.spec_file)
    second = run_stage("evaluate", again, reporter, train_manifest=run.manifest_file("train"))
    assert first.eval_results["CartPole-v1"].episodes == second.eval_results["CartPole-v1"].episodes
    assert first.eval_results["CartPole-v1"].random_episodes == second.eval_results["CartPole-v1"].random_episodes


def test_more_episodes_than_fit_side_by_side_begin_with_the_same_ones(small, trained, reporter, tmp_path):
    spec = small()
    run, _ = trained(spec)
    few, many = RunDirectory(tmp_path / "few"), RunDirectory(tmp_path / "many")
    save_experiment_spec(set_values(spec, ["trainer.simulation.num_episodes=16"]), few.spec_file)
    save_experiment_spec(set_values(spec, ["trainer.simulation.num_episodes=18"]), many.spec_file)
    results = [
        run_stage("evaluate", where, reporter, train_manifest=run.manifest_file("train")).eval_results["CartPole-v1"]
        for where in (few, many)
    ]
    assert len(results[1].episodes) == 18
    assert results[1].episodes[:16] == results[0].episodes


class Counted(CartPoleEnv):
    """Counts how many of it were made."""

    made = 0

    def __init__(self) -> None:
        super().__init__()
        Counted.made += 1


@pytest.fixture
def counted():
    gymnasium.register("Counted-v0", entry_point=Counted, max_episode_steps=20)
    yield "Counted-v0"
    del gymnasium.registry["Counted-v0"]


def test_more_episodes_are_played_in_the_same_environments(counted, small, trained, reporter, tmp_path):
    spec = small(trainer={"curriculum": {"env": {"id": counted}}})
    run, _ = trained(spec)
    made = []
    for episodes in (32, 64):
        where, before = RunDirectory(tmp_path / str(episodes)), Counted.made
        save_experiment_spec(set_values(spec, [f"trainer.simulation.num_episodes={episodes}"]), where.spec_file)
        run_stage("evaluate", where, reporter, train_manifest=run.manifest_file("train"))
        made.append(Counted.made - before)
    assert made[0] == made[1], "to make the environments of a wave anew, workers with them, is to start each anew"


@pytest.mark.parametrize("break_it", ["flip", "truncate", "remove"])
def test_a_checkpoint_that_is_not_the_recorded_one_is_refused(break_it, small, trained, reporter):
    run, train = trained(small())
    assert train.checkpoint is not None
    path = run.path / train.checkpoint.path
    data = bytearray(path.read_bytes())
    if break_it == "flip":
        data[len(data) // 2] ^= 1
    path.write_bytes(data if break_it == "flip" else data[: len(data) // 2])
    if break_it == "remove":
        path.unlink()
    with pytest.raises(Refused, match=r"torn or was changed|no such file"):
        run_stage("evaluate", run, reporter)
    assert not run.manifest_file("evaluate").exists()


def test_a_checkpoint_of_another_spec_is_refused(small, trained, reporter):
    run, train = trained(small())
    manifest = json.loads(run.manifest_file("train").read_text())
    manifest["spec_hash"] = "sha256:of-another"
    run.manifest_file("train").write_text(json.dumps(manifest))
    with pytest.raises(Refused, match=rf"made by spec {train.spec_hash}"):
        run_stage("evaluate", run, reporter)


def test_a_simulation_with_another_interface_is_refused(small, trained, reporter, tmp_path):
    run, _ = trained(small())
    other = RunDirectory(tmp_path / "other")
    save_experiment_spec(small(eval_configs={"acrobot": {"id": "Acrobot-v1"}}), other.spec_file)
    with pytest.raises(Refused, match=r"eval_configs\.acrobot.*differ from those"):
        run_stage("evaluate", other, reporter, train_manifest=run.manifest_file("train"))


def test_a_train_stage_that_did_not_end_is_refused(small, start, reporter):
    with pytest.raises(Refused, match="no such file; did this stage finish"):
        run_stage("evaluate", start(small()), reporter)
