"""Two learning rates side by side: one recipe that launches several jobs; nothing else differs.

python cookbook/lr_ab_test.py --no-launch
python cookbook/lr_ab_test.py --gpus=1 --set trainer.total_timesteps=400_000
"""

from axiom_dagster import (
    Experiment,
    ExperimentConfig,
    OptimizerConfig,
    SimulationConfig,
    SkypilotJobConfig,
    TorchProfilerConfig,
    TrainAndEvalSpec,
    TrainerConfig,
    TrainingJobConfig,
    TrainingRunConfig,
    runner,
)


class LearningRateABTest(Experiment["LearningRateABTestConfig"]):
    """A/B test comparing two learning rates."""

    def training_job_configs(self) -> list[TrainingJobConfig]:
        """One job for each learning rate."""
        configs: list[TrainingJobConfig] = []
        for lr in [0.0001, 0.0005]:  # Test two learning rates
            trainer = TrainerConfig(
                num_workers=4,
                optimizer=OptimizerConfig(learning_rate=lr),
                simulation=SimulationConfig(replay_dir="${run_dir}/replays"),
                profiler=TorchProfilerConfig(profile_dir="${run_dir}/torch_traces"),
            )
            training = TrainingRunConfig(
                curriculum="env/mettagrid/curriculum/arena/basic",
                trainer=trainer,
                wandb_tags=["ab_test", f"lr_{lr}"],
            )
            configs.append(
                TrainingJobConfig(
                    skypilot=SkypilotJobConfig(
                        gpus=self.config.gpus,
                        nodes=self.config.nodes,
                        spot=self.config.spot,
                    ),
                    training=training,
                )
            )
        return configs


class LearningRateABTestConfig(ExperimentConfig):
    """The infrastructure of both jobs: the same, so that only the learning rate differs."""

    name: str = "lr_ab_test"
    # Infrastructure params passed by runner
    gpus: int = 1
    nodes: int = 1
    spot: bool = True
    git_check: bool = True


def create() -> TrainAndEvalSpec:
    """The spec of the first arm, for `axiom spec validate`; the recipe itself runs both."""
    return LearningRateABTest(LearningRateABTestConfig()).training_jobs()[0].spec


if __name__ == "__main__":
    runner(LearningRateABTest, LearningRateABTestConfig)
