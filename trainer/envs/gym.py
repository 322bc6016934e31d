"""One Gymnasium environment of any id, writing into shared arrays; it never resets itself and never scales a value."""

from collections.abc import Mapping
from difflib import get_close_matches
from math import inf
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import OrderEnforcing, TimeLimit

from trainer.contract.environment import ARENA, EnvConfig
from trainer.envs.arrays import StepArrays
from trainer.envs.interface import ActionSpace, BoxActions, DiscreteActions, Spaces, VectorObservations
from trainer.envs.replay import write_replay
from trainer.plain.refusal import Refused, nearest


def gym_spaces(config: EnvConfig) -> Spaces:
    """What the agent of this environment sees and does; raises `Refused` if it cannot be made or trained on."""
    env = _make(config)
    try:
        observation = env.observation_space
        if not isinstance(observation, spaces.Box):
            raise Refused.one("env.id", config.id, f"observations are {observation}; only Box spaces can be trained on")
        return Spaces(VectorObservations(observation.shape or (1,)), _actions(config, env.action_space), 1)
    finally:
        env.close()


def _actions(config: EnvConfig, space: spaces.Space) -> ActionSpace:
    if isinstance(space, spaces.Discrete):
        return DiscreteActions(int(space.n))
    if isinstance(space, spaces.Box):
        return BoxActions(space.low.ravel().astype(np.float32), space.high.ravel().astype(np.float32))
    raise Refused.one("env.id", config.id, f"actions are {space}; only Discrete and Box spaces can be trained on")


def _make(config: EnvConfig) -> gymnasium.Env:
    # Gymnasium takes an id without its version for the latest one, which is another environment after an upgrade.
    if ":" not in config.id and config.id not in gymnasium.registry:
        raise Refused.one("env.id", config.id, _unknown(config.id))
    try:
        return gymnasium.make(config.id, **({"disable_env_checker": True} | config.kwargs))
    except (gymnasium.error.UnregisteredEnv, ModuleNotFoundError) as error:
        raise Refused.one("env.id", config.id, f"unknown environment; {error}") from error
    except gymnasium.error.Error as error:
        raise Refused.one("env.id", config.id, f"Gymnasium cannot make it: {error}") from error
    except Exception as error:
        why = f"{config.id} could not be made with these arguments: {error}"
        raise Refused.one("env.kwargs", config.kwargs, why) from error


def _within(env: gymnasium.Env) -> tuple[gymnasium.Env, float]:
    """What is to be stepped, without Gymnasium's outer wrappers that only count steps; and after how many it ends.

    Around an environment as small as CartPole they take a third of the time.
    """
    limit = inf
    while type(env) is TimeLimit or type(env) is OrderEnforcing:
        if type(env) is TimeLimit:
            limit = min(limit, env._max_episode_steps)
        env = env.env
    return env, limit


def _unknown(env_id: str) -> str:
    near = get_close_matches(env_id, [ARENA, *gymnasium.registry], n=3)
    hint = nearest(env_id, near).replace("allowed:", "near names:") if near else "no known id is near to it"
    return f"unknown environment; {hint} (of {len(gymnasium.registry)} that Gymnasium knows, and {ARENA!r})"


class GymEnv:
    """The `Env` of a Gymnasium id: one agent; box actions are clipped to the box."""

    def __init__(self, config: EnvConfig, arrays: StepArrays) -> None:
        self._config = config
        self._arrays = arrays
        self._env = _make(config)
        self._stepped, self._time_limit = _within(self._env)
        self._steps = 0
        self._space = self._env.action_space
        self._info: Mapping[str, Any] = {}
        self._record: dict[str, Any] | None = None

    def reset(self, seed: int, record: bool = False) -> None:
        """Begin the episode of this seed."""
        observation, self._info = self._env.reset(seed=seed)
        self._steps = 0
        self._arrays.observations[0] = observation
        self._record = self._new_record(seed) if record else None

    def step(self) -> None:
        """Let the agent act, its box action clipped."""
        arrays = self._arrays
        action = self._action()
        observation, reward, terminated, truncated, self._info = self._stepped.step(action)
        self._steps += 1
        arrays.observations[0] = observation
        arrays.rewards[0] = reward
        arrays.terminated[0] = terminated
        arrays.truncated[0] = truncated or self._steps >= self._time_limit
        if self._record is not None:
            self._extend(self._record, action)

    def stats(self) -> dict[str, float]:
        """The plain numbers in the last step's info."""
        numbers = (bool, int, float, np.number, np.bool_)
        return {name: float(value) for name, value in self._info.items() if isinstance(value, numbers)}

    def save_replay(self, path: Path) -> None:
        """Write the ended episode: id, kwargs, seed, every observation (first to last), action, reward, and its end."""
        if self._record is None:
            raise RuntimeError("this episode was not recorded; reset with record=True")
        write_replay(path, self._record)

    def close(self) -> None:
        """Close the environment."""
        self._env.close()

    def _action(self) -> Any:
        space, given = self._space, self._arrays.actions[0]
        if isinstance(space, spaces.Discrete):
            return int(given) + int(space.start)
        assert isinstance(space, spaces.Box)
        return np.clip(given.reshape(space.shape), space.low, space.high).astype(space.dtype)

    def _new_record(self, seed: int) -> dict[str, Any]:
        return {
            "format": "gymnasium-episode",
            "version": 1,
            "id": self._config.id,
            "kwargs": self._config.plain()["kwargs"],
            "seed": seed,
            "observations": [self._arrays.observations[0].tolist()],
            "actions": [],
            "rewards": [],
            "terminated": False,
            "truncated": False,
        }

    def _extend(self, record: dict[str, Any], action: Any) -> None:
        arrays = self._arrays
        record["actions"].append(np.asarray(action).tolist())
        record["observations"].append(arrays.observations[0].tolist())
        record["rewards"].append(float(arrays.rewards[0]))
        record["terminated"] = bool(arrays.terminated[0])
        record["truncated"] = bool(arrays.truncated[0])
