"""The arena pays what its config says, hides nothing from its tokens and knows theft only with combat."""

from typing import Any

import numpy as np
import pytest

from trainer.contract.environment import ArenaConfig, ArenaRewards, EnvConfig
from trainer.envs.arena import arena_spaces
from trainer.envs.interface import DiscreteActions, TokenObservations
from trainer.envs.vector import VectorEnv

MOVES = {"move_north": (-1, 0), "move_south": (1, 0), "move_west": (0, -1), "move_east": (0, 1)}


class Forager:
    """Walks to the nearest visible object that it needs next, else straight on; some steps are random.

    It knows nothing but the tokens, read as `TokenObservations` says.
    """

    def __init__(self, env: VectorEnv) -> None:
        assert isinstance(env.observation_space, TokenObservations) and isinstance(env.action_space, DiscreteActions)
        self.space = env.observation_space
        self.rng = np.random.default_rng(0)
        self.moves = {env.action_space.names.index(name): step for name, step in MOVES.items()}
        self.heading = self.rng.choice(list(self.moves), env.num_slots)

    def act(self, observations: np.ndarray) -> np.ndarray:
        return np.array([self._act(slot, tokens) for slot, tokens in enumerate(observations)])

    def _act(self, slot: int, tokens: np.ndarray) -> int:
        if self.rng.random() < 0.15:
            self.heading[slot] = self.rng.choice(list(self.moves))
            return self.heading[slot]
        away = self._nearest(tokens, self._wanted(tokens))
        return self.heading[slot] if away is None else max(self.moves, key=lambda move: np.dot(self.moves[move], away))

    def _wanted(self, tokens: np.ndarray) -> str:
        if carried(self.space, tokens, "battery") >= 3:
            return "type:altar"
        return "type:generator" if carried(self.space, tokens, "ore") >= 3 else "type:mine"

    def _nearest(self, tokens: np.ndarray, tag: str) -> np.ndarray | None:
        feature = self.space.feature("tag")
        here = (tokens[:, 1] == feature.id) & (tokens[:, 2] == feature.categories.index(tag))
        cells = tokens[here, 0].astype(int)
        offsets = np.stack([cells >> 4, cells & 15]) - [[self.space.window_height // 2], [self.space.window_width // 2]]
        return offsets[:, np.abs(offsets).sum(axis=0).argmin()] if len(cells) else None


def carried(space: TokenObservations, tokens: np.ndarray, item: str) -> int:
    own = (tokens[:, 0] == space.centre) & (tokens[:, 1] == space.feature(f"inv:{item}").id)
    return int(tokens[own, 2].sum())


def global_value(space: TokenObservations, tokens: np.ndarray, name: str) -> int:
    (row,) = tokens[(tokens[:, 0] == space.global_location) & (tokens[:, 1] == space.feature(name).id)]
    return int(row[2])


def fight(combat: bool, **changes: Any) -> EnvConfig:
    crowd: dict[str, Any] = {
        "num_agents": 6,
        "width": 7,
        "height": 7,
        "num_mines": 2,
        "num_generators": 1,
        "num_altars": 1,
    }
    return EnvConfig(arena=ArenaConfig(**(crowd | {"num_armories": 0, "max_steps": 1000, "combat": combat} | changes)))


@pytest.fixture
def space() -> TokenObservations:
    observation = arena_spaces(ArenaConfig()).observation
    assert isinstance(observation, TokenObservations)
    return observation


def test_the_end_of_an_episode_is_a_truncation_with_its_last_observation(play, small_arena, space) -> None:
    played = play(small_arena, num_envs=2, steps=40)
    assert not played.terminated.any()
    assert np.flatnonzero(played.truncated.all(axis=1)).tolist() == [16, 33]
    for tokens in played.final_observations[16]:
        assert global_value(space, tokens, "episode_completion_pct") == 255
    for tokens in played.observations[16]:
        assert global_value(space, tokens, "episode_completion_pct") == 0
        assert global_value(space, tokens, "last_action") == 0


def test_the_last_action_is_seen_where_it_could_be_done(small_arena, space) -> None:
    with VectorEnv(small_arena, 1) as env:
        env.reset([1])  # in this map the first and the last agent have room to move, and in that of seed 2 none has
        env.step(np.array([4, 0, 2]))
        assert [global_value(space, tokens, "last_action") for tokens in env.observations] == [4, 0, 2]
        env.reset([2])
        env.step(np.array([4, 0, 2]))
        assert [global_value(space, tokens, "last_action") for tokens in env.observations] == [0, 0, 0]
    assert space.feature("last_action").categories[4] == "move_east"


def test_every_token_is_one_that_the_space_describes(play, small_arena, space) -> None:
    played = play(small_arena, steps=30)
    known = {feature.id: feature for feature in space.features}
    for tokens in played.observations[-1]:
        padding = (tokens == space.padding).all(axis=1)
        count = int((~padding).sum())
        assert padding[count:].all() and not (tokens[:count, 0] == space.padding).any()
        assert len(np.unique(tokens[:count, :2], axis=0)) == count
        for _, feature, value in tokens[:count]:
            assert value < (len(known[feature].categories) or 256)
        tags = tokens[(tokens[:, 0] == space.centre) & (tokens[:, 1] == space.feature("tag").id), 2]
        assert [space.feature("tag").categories[tag] for tag in tags] == ["type:agent"]


def test_the_spaces_are_the_same_with_and_without_combat() -> None:
    assert arena_spaces(ArenaConfig(combat=True)) == arena_spaces(ArenaConfig(combat=False))


def test_agents_are_paid_for_what_they_make_and_for_the_hearts_that_they_hold(play) -> None:
    rewards = ArenaRewards(ore=0.25, battery=0.5, heart=2.0)
    played = play(fight(True, rewards=rewards), steps=1000)
    for end in played.all_ends:
        made = end.stats
        owed = 0.25 * made["ore.made"] + 0.5 * made["battery.made"] + 2.0 * made["heart.held"]
        assert end.returns.mean() == pytest.approx(owed, rel=1e-6)
        assert min(made["ore.made"], made["battery.made"], made["heart.held"]) > 0


def test_an_agent_whose_hands_are_full_is_paid_no_more(play) -> None:
    no_buyers: dict[str, Any] = {"num_generators": 0, "num_altars": 0, "num_lasers": 0, "num_armories": 0}
    mines = ArenaConfig(num_agents=1, width=7, height=7, num_mines=8, max_steps=400, **no_buyers)
    (end,) = play(EnvConfig(arena=mines), num_envs=1, steps=400).all_ends
    assert end.stats["ore.made"] == 10
    assert end.returns.tolist() == pytest.approx([10 * 0.01])


def test_combat_lets_hearts_be_stolen_and_without_it_the_same_actions_steal_none(play) -> None:
    war, peace = play(fight(True), steps=1000), play(fight(False), steps=1000)
    np.testing.assert_array_equal(war.first, peace.first)
    for end in war.all_ends:
        assert end.stats["heart.stolen"] > 0 and end.stats["attack.won"] > 0
        assert end.stats["heart.held"] == pytest.approx(end.stats["heart.made"])
    for end in peace.all_ends:
        assert end.stats["heart.stolen"] == end.stats["attack.won"] == end.stats["attack.blocked"] == 0
        assert end.stats["laser.made"] > 0
    # A victim pays for the heart that it loses.
    assert (war.rewards < 0).any() and not (peace.rewards < 0).any()
    assert not np.array_equal(war.final_observations[-1], peace.final_observations[-1])


def test_armor_stops_attacks(play) -> None:
    bare = play(fight(True), steps=1000).all_ends[0].stats
    armored = play(fight(True, num_armories=4, width=8, height=8), steps=1000).all_ends[0].stats
    assert bare["armor.made"] == bare["attack.blocked"] == 0
    assert armored["armor.made"] > 0 and armored["attack.blocked"] > 0


def test_random_play_finds_few_hearts_and_a_player_who_reads_its_tokens_many(play) -> None:
    config = EnvConfig(arena=ArenaConfig(max_steps=300))
    lucky = play(config, num_envs=1, steps=300).all_ends[0]
    with VectorEnv(config, 1) as env:
        env.reset([0])
        forager, ends = Forager(env), []
        while not ends:
            ends = env.step(forager.act(env.observations))
    assert lucky.returns.mean() < 1
    assert ends[0].returns.mean() > 5 * lucky.returns.mean()
    assert ends[0].stats["heart.made"] > 5 * lucky.stats["heart.made"]


def test_no_crowd_overflows_the_tokens(play) -> None:
    crowd = ArenaConfig(
        num_agents=120, width=18, height=18, num_mines=4, num_generators=1, num_altars=1, num_lasers=1, num_armories=1
    )
    played = play(EnvConfig(arena=crowd), num_envs=1, steps=40)
    assert (played.observations[-1][:, -1, 0] == TokenObservations.padding).all()


@pytest.mark.parametrize("num_agents", [1, 255])
def test_the_fewest_and_the_most_agents_fit(play, num_agents) -> None:
    config = EnvConfig(arena=ArenaConfig(num_agents=num_agents, width=40, height=40, max_steps=3))
    played = play(config, num_envs=1, steps=4)
    assert len(played.all_ends[0].returns) == num_agents
