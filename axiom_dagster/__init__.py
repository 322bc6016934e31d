"""What chooses: the experiment API, the definitions, the `axiom` command. It hands names on, each when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from axiom_dagster.comparing import compare
    from axiom_dagster.comparison import diff
    from axiom_dagster.compositions.experiment import CompositeExperiment, Outcome
    from axiom_dagster.experiment import TrainAndEvalExperiment
    from axiom_dagster.recipes.configs import (
        ExperimentConfig,
        SingleJobExperimentConfig,
        TrainingJobConfig,
        TrainingRunConfig,
    )
    from axiom_dagster.recipes.experiment import Experiment, TrainingJob
    from axiom_dagster.recipes.recipe import recipe
    from axiom_dagster.recipes.runner import runner
    from axiom_dagster.resuming import resume
    from axiom_dagster.run_handle import RunHandle, all_runs
    from axiom_dagster.sweeps.experiment import SweepExperiment
    from axiom_dagster.variants.experiment import VariantsExperiment
    from resources.in_process_compute import InProcessCompute
    from resources.local_compute import LocalCompute
    from resources.skypilot.compute import SkyPilotCompute
    from resources.skypilot.job_config import SkypilotJobConfig
    from resources.skypilot.service import SkyPilotService, get_skypilot_service
    from resources.wandb.resource import WandbResource
    from resources.wandb.service import WandbService, get_wandb_service
    from trainer.contract import (
        AgentConfig,
        ArenaConfig,
        ArenaRewards,
        Arm,
        AxiomControls,
        CheckpointConfig,
        CurriculumConfig,
        DivergenceConfig,
        EnvConfig,
        ExperimentSpec,
        Manifest,
        MonitorsConfig,
        NonFiniteConfig,
        OptimizerConfig,
        PlateauConfig,
        PPOConfig,
        Refused,
        SimulationConfig,
        SystemConfig,
        TargetConfig,
        TensorBoardConfig,
        TorchProfilerConfig,
        TrainAndEvalSpec,
        TrainerConfig,
        Variants,
        WandbConfig,
        create_experiment,
        create_quick_experiment,
        load_experiment_spec,
        load_variants,
        save_experiment_spec,
        save_variants,
        set_values,
    )
    from trainer.contract.composition import Composition, load_composition, save_composition
    from trainer.contract.composition_course import Bound, Condition, Phase, Repeat
    from trainer.contract.space import Choices, Range
    from trainer.contract.sweep import Sweep
    from trainer.contract.sweep_config import BudgetConfig, PrunerConfig, SamplerConfig
    from trainer.contract.sweep_population import PopulationConfig
    from trainer.ops.slots import Earned, Estimate, Experience, Gradients, Loss, OptimizerStep, Sample
    from trainer.pipeline import Intervention

_ELSEWHERE = {
    "TrainAndEvalExperiment": "axiom_dagster.experiment",
    "RunHandle": "axiom_dagster.run_handle",
    "VariantsExperiment": "axiom_dagster.variants.experiment",
    "SweepExperiment": "axiom_dagster.sweeps.experiment",
    **dict.fromkeys(("CompositeExperiment", "Outcome"), "axiom_dagster.compositions.experiment"),
    **dict.fromkeys(("Composition", "load_composition", "save_composition"), "trainer.contract.composition"),
    **dict.fromkeys(("Bound", "Condition", "Phase", "Repeat"), "trainer.contract.composition_course"),
    "Sweep": "trainer.contract.sweep",
    **dict.fromkeys(("BudgetConfig", "PrunerConfig", "SamplerConfig"), "trainer.contract.sweep_config"),
    "PopulationConfig": "trainer.contract.sweep_population",
    **dict.fromkeys(("Choices", "Range"), "trainer.contract.space"),
    "compare": "axiom_dagster.comparing",
    "diff": "axiom_dagster.comparison",
    "all_runs": "axiom_dagster.run_handle",
    "Intervention": "trainer.pipeline",
    "LocalCompute": "resources.local_compute",
    "InProcessCompute": "resources.in_process_compute",
    "Experiment": "axiom_dagster.recipes.experiment",
    "TrainingJob": "axiom_dagster.recipes.experiment",
    "ExperimentConfig": "axiom_dagster.recipes.configs",
    "SingleJobExperimentConfig": "axiom_dagster.recipes.configs",
    "TrainingJobConfig": "axiom_dagster.recipes.configs",
    "TrainingRunConfig": "axiom_dagster.recipes.configs",
    "recipe": "axiom_dagster.recipes.recipe",
    "resume": "axiom_dagster.resuming",
    "runner": "axiom_dagster.recipes.runner",
    "SkyPilotCompute": "resources.skypilot.compute",
    "SkypilotJobConfig": "resources.skypilot.job_config",
    "SkyPilotService": "resources.skypilot.service",
    "get_skypilot_service": "resources.skypilot.service",
    "WandbResource": "resources.wandb.resource",
    "WandbService": "resources.wandb.service",
    "get_wandb_service": "resources.wandb.service",
    **dict.fromkeys(
        ("Earned", "Estimate", "Experience", "Gradients", "Loss", "OptimizerStep", "Sample"), "trainer.ops.slots"
    ),
}

__all__ = [
    "AgentConfig",
    "ArenaConfig",
    "ArenaRewards",
    "Arm",
    "AxiomControls",
    "Bound",
    "BudgetConfig",
    "CheckpointConfig",
    "Choices",
    "CompositeExperiment",
    "Composition",
    "Condition",
    "CurriculumConfig",
    "DivergenceConfig",
    "Earned",
    "EnvConfig",
    "Estimate",
    "Experience",
    "Experiment",
    "ExperimentConfig",
    "ExperimentSpec",
    "Gradients",
    "InProcessCompute",
    "Intervention",
    "LocalCompute",
    "Loss",
    "Manifest",
    "MonitorsConfig",
    "NonFiniteConfig",
    "OptimizerConfig",
    "OptimizerStep",
    "Outcome",
    "PPOConfig",
    "Phase",
    "PlateauConfig",
    "PopulationConfig",
    "PrunerConfig",
    "Range",
    "Refused",
    "Repeat",
    "RunHandle",
    "Sample",
    "SamplerConfig",
    "SimulationConfig",
    "SingleJobExperimentConfig",
    "SkyPilotCompute",
    "SkyPilotService",
    "SkypilotJobConfig",
    "Sweep",
    "SweepExperiment",
    "SystemConfig",
    "TargetConfig",
    "TensorBoardConfig",
    "TorchProfilerConfig",
    "TrainAndEvalExperiment",
    "TrainAndEvalSpec",
    "TrainerConfig",
    "TrainingJob",
    "TrainingJobConfig",
    "TrainingRunConfig",
    "Variants",
    "VariantsExperiment",
    "WandbConfig",
    "WandbResource",
    "WandbService",
    "all_runs",
    "compare",
    "create_experiment",
    "create_quick_experiment",
    "diff",
    "get_skypilot_service",
    "get_wandb_service",
    "load_composition",
    "load_experiment_spec",
    "load_variants",
    "recipe",
    "resume",
    "runner",
    "save_composition",
    "save_experiment_spec",
    "save_variants",
    "set_values",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(_ELSEWHERE.get(name, "trainer.contract")), name)
    # Submodules are looked up here too, before they are imported; their names are small.
    if name[0].isupper() and name in _derived():
        return _derived()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *_derived()])


def _derived() -> dict[str, Any]:
    """The registered ops (`VTrace`) and the resources of the exposed steps (`ComputeAdvantage`), each by its class."""
    exposed_ops = import_module("resources.exposed_ops")
    return {**exposed_ops.op_classes(), **exposed_ops.resource_classes()}
