"""What chooses: the experiment API, the definitions, the `axiom` command. It hands names on, each when first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from axiom_dagster.comparison import diff
    from axiom_dagster.experiment import TrainAndEvalExperiment
    from axiom_dagster.run_handle import RunHandle, all_runs
    from resources.in_process_compute import InProcessCompute
    from resources.local_compute import LocalCompute
    from trainer.contract import (
        AgentConfig,
        ArenaConfig,
        ArenaRewards,
        AxiomControls,
        CheckpointConfig,
        CurriculumConfig,
        EnvConfig,
        ExperimentSpec,
        Manifest,
        OptimizerConfig,
        PPOConfig,
        Refused,
        SimulationConfig,
        SystemConfig,
        TorchProfilerConfig,
        TrainAndEvalSpec,
        TrainerConfig,
        WandbConfig,
        create_experiment,
        create_quick_experiment,
        load_experiment_spec,
        save_experiment_spec,
    )

_ELSEWHERE = {
    "TrainAndEvalExperiment": "axiom_dagster.experiment",
    "RunHandle": "axiom_dagster.run_handle",
    "diff": "axiom_dagster.comparison",
    "all_runs": "axiom_dagster.run_handle",
    "LocalCompute": "resources.local_compute",
    "InProcessCompute": "resources.in_process_compute",
}

__all__ = [
    "AgentConfig",
    "ArenaConfig",
    "ArenaRewards",
    "AxiomControls",
    "CheckpointConfig",
    "CurriculumConfig",
    "EnvConfig",
    "ExperimentSpec",
    "InProcessCompute",
    "LocalCompute",
    "Manifest",
    "OptimizerConfig",
    "PPOConfig",
    "Refused",
    "RunHandle",
    "SimulationConfig",
    "SystemConfig",
    "TorchProfilerConfig",
    "TrainAndEvalExperiment",
    "TrainAndEvalSpec",
    "TrainerConfig",
    "WandbConfig",
    "all_runs",
    "create_experiment",
    "create_quick_experiment",
    "diff",
    "load_experiment_spec",
    "save_experiment_spec",
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
