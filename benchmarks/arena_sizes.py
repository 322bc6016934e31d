"""The arena that is benchmarked and how it is trained on, as plain data that a peer can load; never a training."""

from typing import Any

AGENTS, STEPS, EPOCHS, MINIBATCHES = 24, 64, 2, 4
# Where collecting goes on while others have their turn, a turn must end with nothing under way.
UPDATES_A_TURN = 8
# Which network a peer trains: that of our policy, or the one that MettaGrid ships.
OURS, THEIRS = 0, 1
ARENA = {"num_agents": AGENTS, "width": 25, "height": 25, "num_mines": 20, "num_generators": 10, "num_altars": 10}


def arena_fields(num_envs: int, updates: int, **trainer: object) -> dict[str, Any]:
    """The fields of a spec of ours; the epochs are those that it has by itself."""
    batch = num_envs * AGENTS * STEPS
    fields = {
        "total_timesteps": updates * batch,
        "num_envs": num_envs,
        "batch_size": batch,
        "minibatch_size": batch // MINIBATCHES,
        "curriculum": {"env": {"id": "arena", "arena": ARENA}},
        **trainer,
    }
    return {"trainer": fields, "wandb": {"mode": "disabled"}}
