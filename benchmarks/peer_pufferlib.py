"""PufferLib's trainer on CartPole-v1 as `benchmarks.peers` runs it, in an environment where it is installed.

Its own and left so: environments stepped one by one in its `Serial`, minibatches of whole segments, V-trace in place
of GAE, a rate that falls as a cosine. Its dashboard is left out: by the clock it would draw at every turn.
"""

import sys
import tempfile
from collections import deque
from typing import Any

import gymnasium
import torch
from pufferlib.emulation import GymnasiumPufferEnv
from pufferlib.pufferl import PuffeRL
from pufferlib.pufferlib import EpisodeStats
from pufferlib.pytorch import layer_init
from pufferlib.vector import Serial, make
from torch import Tensor, nn

from benchmarks.turns import Turns

STEPS = 128
NEVER = sys.maxsize
# What its default.ini sets beside the algorithm, and what it adds to PPO switched off: priorities, clipped values.
SETTINGS: dict[str, Any] = {
    "env": "a benchmark",
    "device": "cpu",
    "precision": "float32",
    "torch_deterministic": True,
    "cpu_offload": False,
    "compile": False,
    "use_rnn": False,
    "optimizer": "adam",
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_eps": 1e-5,
    "anneal_lr": True,
    "checkpoint_interval": NEVER,
    "max_minibatch_size": NEVER,
    "prio_alpha": 0.0,
    "prio_beta0": 1.0,
    "vf_clip_coef": 1e9,
    "vtrace_rho_clip": 1.0,
    "vtrace_c_clip": 1.0,
    "clip_coef": 0.2,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "max_grad_norm": 0.5,
}


class Undrawn(PuffeRL):
    """Its trainer without its dashboard."""

    def print_dashboard(self, *_: object, **__: object) -> None:
        """Nothing."""


class TwoNetworks(nn.Module):
    """An actor and a critic of 64, 64 with tanh, with the library's own first weights."""

    def __init__(self, observation: int, actions: int) -> None:
        super().__init__()
        self._actor, self._critic = _network(observation, actions, 0.01), _network(observation, 1, 1.0)

    def forward(self, observations: Tensor, state: object = None) -> tuple[Tensor, Tensor]:
        """Logits (B, A) and values (B, 1) of observations (B, D)."""
        return self._actor(observations), self._critic(observations)

    forward_eval = forward


def train(envs: Serial, policy: nn.Module, steps: int, updates: int, settings: dict[str, Any]) -> None:
    """Train once, with `steps` of each agent and 4 minibatches an update."""
    batch = envs.num_agents * steps
    sizes = {"bptt_horizon": steps, "batch_size": batch, "minibatch_size": batch // 4}
    returns: deque[float] = deque(maxlen=100)
    with tempfile.TemporaryDirectory() as folder:
        config = SETTINGS | sizes | {"total_timesteps": updates * batch, "data_dir": folder} | settings
        trainer, turns = Undrawn(config, envs, policy), Turns()
        for _ in range(updates):
            returns.extend(trainer.evaluate().pop("episode_return", ()))
            trainer.train()
            turns.end(returns)
        trainer.close()


def main(num_envs: int, updates: int, seed: int) -> None:
    """Train once."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    envs = make(GymnasiumPufferEnv, env_kwargs={"env_creator": _cartpole}, num_envs=num_envs, backend=Serial)
    policy = TwoNetworks(*envs.single_observation_space.shape, envs.single_action_space.n)
    learning = {"learning_rate": 2.5e-4, "update_epochs": 4, "vf_coef": 1.0, "ent_coef": 0.01}
    train(envs, policy, STEPS, updates, {"seed": seed, **learning})


def _cartpole() -> gymnasium.Env:
    return EpisodeStats(gymnasium.make("CartPole-v1"))


def _network(size_in: int, size_out: int, gain: float) -> nn.Sequential:
    first, second, last = nn.Linear(size_in, 64), nn.Linear(64, 64), nn.Linear(64, size_out)
    return nn.Sequential(layer_init(first), nn.Tanh(), layer_init(second), nn.Tanh(), layer_init(last, gain))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
