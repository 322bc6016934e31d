"""One arena on MettaGrid's simulator, writing into shared arrays; it never resets itself and never scales a value."""

from pathlib import Path

import numpy as np
from mettagrid.config.mettagrid_config import GameConfig
from mettagrid.simulator.replay_log_writer import InMemoryReplayWriter
from mettagrid.simulator.simulator import Buffers, Simulation, Simulator

from trainer.contract.environment import ArenaConfig
from trainer.envs.arena_game import arena_game
from trainer.envs.arrays import StepArrays
from trainer.envs.interface import DiscreteActions, Spaces, TokenFeature, TokenObservations
from trainer.envs.replay import write_atomically

_COUNTED = ("ore.made", "battery.made", "heart.made", "laser.made", "armor.made", "attack.won", "attack.blocked")


def arena_spaces(config: ArenaConfig) -> Spaces:
    """What an agent of this arena sees and does; ids and names are asked from MettaGrid."""
    game = arena_game(config).game
    actions = tuple(action.name for action in game.actions.actions())
    observation = TokenObservations(
        num_tokens=game.obs.num_tokens,
        features=_features(game, actions),
        window_width=game.obs.width,
        window_height=game.obs.height,
    )
    return Spaces(observation, DiscreteActions(len(actions), actions), config.num_agents)


def _features(game: GameConfig, actions: tuple[str, ...]) -> tuple[TokenFeature, ...]:
    ids = game.id_map()
    categories = {"tag": tuple(ids.tag_names()), "last_action": actions}
    return tuple(
        TokenFeature(feature.id, feature.name, feature.normalization, categories.get(feature.name, ()))
        for feature in ids.features()
    )


class ArenaEnv:
    """The `Env` of an arena: a new map for each seed; every episode ends as a truncation after `max_steps`."""

    def __init__(self, config: ArenaConfig, arrays: StepArrays) -> None:
        self._config = config
        self._arrays = arrays
        self._buffers = _buffers(arrays)
        self._simulation: Simulation | None = None
        self._recorder: InMemoryReplayWriter | None = None

    def reset(self, seed: int, record: bool = False) -> None:
        """Begin an episode on the map of this seed."""
        self.close()
        # A simulator shifts the map's seed with each simulation that it makes, so each episode gets a new one.
        simulator = Simulator()
        self._recorder = InMemoryReplayWriter() if record else None
        if self._recorder is not None:
            simulator.add_event_handler(self._recorder)
        # A simulation mutates its config, so each gets its own.
        self._simulation = simulator.new_simulation(arena_game(self._config, seed), seed, self._buffers)

    def step(self) -> None:
        """Let every agent act; MettaGrid writes the observations where they belong by itself."""
        self._running().step()
        self._arrays.rewards[:] = self._buffers.rewards
        self._arrays.terminated[:] = self._buffers.terminals
        self._arrays.truncated[:] = self._buffers.truncations

    def stats(self) -> dict[str, float]:
        """Means over agents: items made, hearts held at the end, hearts stolen, attacks won and blocked."""
        agents = self._running().episode_stats["agent"]
        means = {name: _mean(agents, name) for name in _COUNTED}
        means["heart.held"] = _mean(agents, "heart.amount")
        means["heart.stolen"] = _mean(agents, "heart.gained") - means["heart.made"]
        return means

    def save_replay(self, path: Path) -> None:
        """Write the ended episode in MettaGrid's own format (version 4)."""
        if self._recorder is None:
            raise RuntimeError("this episode was not recorded; reset with record=True")
        replay = self._recorder.get_completed_replays()[-1]
        write_atomically(path, lambda partial: replay.write_replay(str(partial)))

    def close(self) -> None:
        """End the simulation, if there is one."""
        if self._simulation is not None:
            self._simulation.close()
        self._simulation = None

    def _running(self) -> Simulation:
        if self._simulation is None:
            raise RuntimeError("the arena has no episode; reset it before it is stepped")
        return self._simulation


def _buffers(arrays: StepArrays) -> Buffers:
    """Observations and actions are the shared arrays themselves; a reset clears the others, so they are private."""
    agents = len(arrays.rewards)
    return Buffers(
        observations=arrays.observations,
        actions=arrays.actions,
        rewards=np.zeros(agents, np.float32),
        terminals=np.zeros(agents, np.bool_),
        truncations=np.zeros(agents, np.bool_),
        masks=np.ones(agents, np.bool_),
        teacher_actions=np.zeros(agents, np.int32),
    )


def _mean(agents: list[dict[str, float]], name: str) -> float:
    return float(np.mean([agent.get(name, 0.0) for agent in agents]))
