"""The arena on rented machines: one job, its infrastructure beside its training, each of them one option away.

python cookbook/arena_experiment.py --no-launch                          # what would be launched, and its price
python cookbook/arena_experiment.py --gpus=4 --nodes=2 --spot=false
python cookbook/arena_experiment.py --compute=local --set trainer.total_timesteps=100_000
"""

from axiom_dagster import (
    Experiment,
    SingleJobExperimentConfig,
    SkypilotJobConfig,
    SystemConfig,
    TrainAndEvalSpec,
    TrainerConfig,
    TrainingRunConfig,
    runner,
)


class ArenaExperimentConfig(SingleJobExperimentConfig):
    """What is rented, and what is trained on it: the one never changes the other."""

    name: str = "arena_experiment"
    skypilot: SkypilotJobConfig = SkypilotJobConfig(gpus=1, max_runtime_minutes=120)
    training: TrainingRunConfig = TrainingRunConfig(
        curriculum="env/mettagrid/curriculum/arena/basic",
        trainer=TrainerConfig(total_timesteps=2_000_000),
        system=SystemConfig(device="auto"),
        wandb_tags=["arena"],
    )


class ArenaExperiment(Experiment[ArenaExperimentConfig]):
    """Train one agent in the arena, and evaluate it there."""


def create() -> TrainAndEvalSpec:
    """Its spec, for `axiom run cookbook/arena_experiment.py` and `axiom spec validate`."""
    config = ArenaExperimentConfig()
    return config.training.spec(config.name)


if __name__ == "__main__":
    runner(ArenaExperiment, ArenaExperimentConfig)
