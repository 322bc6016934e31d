"""Finds the environment that a config means; it never imports the simulator of another one."""

from trainer.contract.environment import ARENA, EnvConfig
from trainer.envs.arrays import StepArrays
from trainer.envs.interface import Env, EnvBatch, Spaces


def spaces_of(config: EnvConfig) -> Spaces:
    """What an agent of this environment sees and does; raises `Refused` if there is no such environment."""
    if config.id == ARENA:
        from trainer.envs.arena import arena_spaces

        return arena_spaces(config.arena)
    from trainer.envs.gym import gym_spaces

    return gym_spaces(config)


def make_env(config: EnvConfig, arrays: StepArrays) -> Env:
    """One environment that works on `arrays`: the rows of its own agents."""
    if config.id == ARENA:
        from trainer.envs.arena import ArenaEnv

        return ArenaEnv(config.arena, arrays)
    from trainer.envs.gym import GymEnv

    return GymEnv(config, arrays)


def make_batch(config: EnvConfig, arrays: StepArrays) -> EnvBatch | None:
    """Copies of this environment, one for each row of `arrays`, that step together; None if there is no such form."""
    if config.id != "CartPole-v1" or config.kwargs:
        return None
    from trainer.envs.cartpole import CartPoles

    return CartPoles(arrays)
