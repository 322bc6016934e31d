"""Stable-baselines3's PPO as `benchmarks.peers` runs it, in an environment where it is installed."""

import sys

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

from benchmarks.turns import Turns

STEPS = 128


class InTurn(BaseCallback):
    """Ends a turn where the next rollout begins: the update before it is done."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = Turns()

    def _on_rollout_start(self) -> None:
        if self.num_timesteps:
            self.end()

    def _on_step(self) -> bool:
        return True

    def end(self) -> None:
        """Tell the returns that the library keeps: those of the last 100 episodes."""
        self.turns.end(episode["r"] for episode in self.model.ep_info_buffer or ())


def main(num_envs: int, updates: int, seed: int, width: int = 64, gpu: int = 0) -> None:
    """Train once; the networks are its own: two of 64, 64 with tanh, or of another width."""
    torch.set_num_threads(1)
    batch = num_envs * STEPS
    model = PPO(
        "MlpPolicy",
        make_vec_env("CartPole-v1", num_envs, seed=seed),
        learning_rate=lambda left: 2.5e-4 * left,
        n_steps=STEPS,
        batch_size=batch // 4,
        n_epochs=4,
        ent_coef=0.01,
        seed=seed,
        policy_kwargs={"net_arch": {"pi": [width, width], "vf": [width, width]}},
        device="cuda" if gpu else "cpu",
    )
    in_turn = InTurn()
    model.learn(updates * batch, callback=in_turn)
    in_turn.end()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
