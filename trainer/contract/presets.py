"""Ready-made specs to start from: the main job, and one that ends in seconds."""

from collections.abc import Callable, Mapping
from typing import Any

from trainer.contract.spec import TrainAndEvalSpec
from trainer.plain.refusal import nearest


def create_experiment(**fields: Any) -> TrainAndEvalSpec:
    """The main job: PPO on the MettaGrid arena, evaluated without and with combat. `fields` replace defaults."""
    return TrainAndEvalSpec.accept(fields)


def create_quick_experiment(**fields: Any) -> TrainAndEvalSpec:
    """A small arena that still learns something measurable in under 20 s on two cores. `fields` replace defaults."""
    arena: dict[str, Any] = {"num_agents": 8, "width": 13, "height": 13, "max_steps": 200}
    arena |= {"num_mines": 8, "num_generators": 4, "num_altars": 4, "num_lasers": 1, "num_armories": 1}
    # Every link of the chain is paid for well, so that a few seconds of training show in the intervals.
    arena |= {"rewards": {"ore": 0.1, "battery": 0.5, "heart": 1.0}}
    quick: dict[str, Any] = {
        "name": "quick",
        "wandb": {"mode": "disabled"},
        "trainer": {
            "total_timesteps": 49_152,
            "batch_size": 2048,
            "minibatch_size": 512,
            "optimizer": {"learning_rate": 3e-3},
            "ppo": {"update_epochs": 3},
            "curriculum": {"env": {"id": "arena", "arena": arena}},
            "simulation": {"num_episodes": 12},
        },
    }
    return TrainAndEvalSpec.accept(quick | fields)


PRESETS: Mapping[str, Callable[[], TrainAndEvalSpec]] = {"arena": create_experiment, "quick": create_quick_experiment}


def preset_by_name(given: Any) -> Any:
    """A preset's spec where `given` is its name, else what was given; raises `ValueError` with the nearest name."""
    if not isinstance(given, str):
        return given
    if given not in PRESETS:
        raise ValueError(f"is neither a spec nor the name of a preset; {nearest(given, PRESETS)}")
    return PRESETS[given]()
