"""The contract: what is written to and read from a run directory; plain data, free of torch."""

from trainer.contract.agent import AgentConfig, SystemConfig, WandbConfig
from trainer.contract.attempts import Attempt, Lease, Superseded, attempts, begin_attempt
from trainer.contract.environment import ARENA, ArenaConfig, ArenaRewards, EnvConfig
from trainer.contract.manifest import (
    Artifact,
    Episode,
    Interval,
    Manifest,
    OpRecord,
    SimulationResult,
    Stage,
    Status,
    read_manifest,
)
from trainer.contract.presets import create_experiment, create_quick_experiment
from trainer.contract.progress import Progress, Reporter
from trainer.contract.run_directory import RunDirectory, atomic_file, file_digest, write_text
from trainer.contract.spec import NAME, AxiomControls, ExperimentSpec, TrainAndEvalSpec
from trainer.contract.spec_file import begin_run, load_experiment_spec, save_experiment_spec, set_values, spec_yaml
from trainer.contract.trainer_config import (
    CheckpointConfig,
    CurriculumConfig,
    OptimizerConfig,
    PPOConfig,
    SimulationConfig,
    TorchProfilerConfig,
    TrainerConfig,
)
from trainer.plain.model import FrozenModel, digest_of
from trainer.plain.refusal import Problem, Refused, nearest

__all__ = [
    "ARENA",
    "NAME",
    "AgentConfig",
    "ArenaConfig",
    "ArenaRewards",
    "Artifact",
    "Attempt",
    "AxiomControls",
    "CheckpointConfig",
    "CurriculumConfig",
    "EnvConfig",
    "Episode",
    "ExperimentSpec",
    "FrozenModel",
    "Interval",
    "Lease",
    "Manifest",
    "OpRecord",
    "OptimizerConfig",
    "PPOConfig",
    "Problem",
    "Progress",
    "Refused",
    "Reporter",
    "RunDirectory",
    "SimulationConfig",
    "SimulationResult",
    "Stage",
    "Status",
    "Superseded",
    "SystemConfig",
    "TorchProfilerConfig",
    "TrainAndEvalSpec",
    "TrainerConfig",
    "WandbConfig",
    "atomic_file",
    "attempts",
    "begin_attempt",
    "begin_run",
    "create_experiment",
    "create_quick_experiment",
    "digest_of",
    "file_digest",
    "load_experiment_spec",
    "nearest",
    "read_manifest",
    "save_experiment_spec",
    "set_values",
    "spec_yaml",
    "write_text",
]
