"""PufferLib's trainer on the arena as `benchmarks.arena_peers` runs it, through MettaGrid's own wrapper for it.

The game is ours, config and all. The network is either ours, with our tokens' encoder, or MettaGrid's own stateless
one, a layer on all bytes of the observation: two layers of 128 both.
"""

import sys

import torch
from mettagrid.envs.mettagrid_puffer_env import MettaGridPufferEnv
from mettagrid.policy.stateless import StatelessPolicyNet
from mettagrid.simulator import Simulator
from pufferlib.vector import Multiprocessing, Serial, make
from torch import Tensor, nn

from benchmarks.arena_sizes import ARENA, EPOCHS, OURS, STEPS
from benchmarks.peer_pufferlib import train
from trainer.contract.environment import ArenaConfig
from trainer.envs.arena import arena_spaces
from trainer.envs.arena_game import arena_game
from trainer.envs.interface import TokenObservations
from trainer.policies.encoders import TokenEncoder, linear, trunk

WIDTH = 128


class OurNetwork(nn.Module):
    """The layers of our policy, which read no more tokens than the fullest observation has."""

    def __init__(self, space: TokenObservations, actions: int) -> None:
        super().__init__()
        self._trunk = trunk(TokenEncoder(space, WIDTH), (WIDTH, WIDTH), "relu")
        self._actor, self._critic = linear(WIDTH, actions, 0.01), linear(WIDTH, 1, 1.0)

    def forward(self, observations: Tensor, state: object = None) -> tuple[Tensor, Tensor]:
        """Logits (B, A) and values (B, 1) of tokens (B, K, 3)."""
        used = (observations[..., 0] != TokenObservations.padding).any(0).nonzero()
        features = self._trunk(observations[:, : int(used.max()) + 1])
        return self._actor(features), self._critic(features)

    forward_eval = forward


def main(num_envs: int, updates: int, seed: int, network: int, threads: int = 1, num_workers: int = 0) -> None:
    """Train once, with one of the two networks; with workers, in its `Multiprocessing`."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    config = ArenaConfig(**ARENA)
    apart = {"backend": Multiprocessing, "num_workers": num_workers, "overwork": True}
    backend = apart if num_workers else {"backend": Serial}
    envs = make(_arena, env_kwargs={"config": config}, num_envs=num_envs, **backend)
    spaces = arena_spaces(config)
    actions = spaces.action.n
    ours = network == OURS
    policy = OurNetwork(spaces.observation, actions) if ours else StatelessPolicyNet(actions, spaces.observation.shape)
    learning = {"learning_rate": 2e-3, "update_epochs": EPOCHS, "vf_coef": 0.5, "ent_coef": 0.003}
    train(envs, policy, STEPS, updates, {"seed": seed, **learning})


def _arena(config: ArenaConfig, buf: object = None, seed: int = 0) -> MettaGridPufferEnv:
    return MettaGridPufferEnv(Simulator(), arena_game(config, seed), buf=buf, seed=seed)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
