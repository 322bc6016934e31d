"""A replay file holds exactly the first episode, and is there whole or not at all."""

from pathlib import Path

import numpy as np
import pytest

from trainer.contract.environment import EnvConfig
from trainer.envs.replay import read_replay, write_atomically


@pytest.mark.parametrize("num_workers", [1, 2])
@pytest.mark.parametrize("name", ["replay.json.z", "replay.json.gz"])
def test_the_first_episode_of_an_arena_is_saved_as_mettagrid_saves_it(
    play, small_arena, tmp_path, num_workers, name
) -> None:
    path = tmp_path / "new folder" / name
    played = play(small_arena, num_envs=3, num_workers=num_workers, steps=40, replays={1: path})
    episode = read_replay(path)
    first = next(end for end in played.all_ends if end.env == 1)
    assert episode["version"] == 4
    assert episode["num_agents"] == 3
    assert episode["max_steps"] == 17
    assert episode["action_names"] == ["noop", "move_north", "move_south", "move_west", "move_east"]
    np.testing.assert_allclose(episode["infos"]["episode_rewards"], first.returns, atol=1e-6)
    assert [end.replay for end in played.all_ends if end.env == 1] == [str(path), None]
    assert all(end.replay is None for end in played.all_ends if end.env != 1)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_the_first_episode_of_a_gymnasium_environment_is_saved_step_by_step(play, tmp_path, num_workers) -> None:
    config = EnvConfig(id="CartPole-v1", kwargs={"max_episode_steps": 12})
    path = tmp_path / "pole.json.z"
    actions = np.random.default_rng(0).integers(0, 2, (40, 2))
    played = play(config, num_workers=num_workers, actions=actions, replays={1: path})
    episode = read_replay(path)
    first = next(end for end in played.all_ends if end.env == 1)
    assert first.replay == str(path)
    assert (episode["id"], episode["kwargs"]) == ("CartPole-v1", {"max_episode_steps": 12})
    assert episode["actions"] == actions[: first.length, 1].tolist()
    np.testing.assert_array_equal(episode["rewards"], played.rewards[: first.length, 1])
    seen = [
        played.first[1],
        *played.observations[: first.length - 1, 1],
        played.final_observations[first.length - 1, 1],
    ]
    np.testing.assert_array_equal(np.array(episode["observations"], np.float32), seen)
    assert episode["terminated"] == played.terminated[first.length - 1, 1]
    assert episode["truncated"] == played.truncated[first.length - 1, 1]


def test_recording_changes_no_trajectory(play, small_arena, tmp_path) -> None:
    plain, recorded = play(small_arena), play(small_arena, replays={0: tmp_path / "a.z"})
    np.testing.assert_array_equal(plain.observations, recorded.observations)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path) -> None:
    path = tmp_path / "replay.json.z"
    path.write_bytes(b"old")

    def fail(partial: Path) -> None:
        partial.write_bytes(b"half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"
