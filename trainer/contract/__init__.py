"""The contract: what is written to and read from a run directory; plain data, free of torch."""

from trainer.contract.agent import AgentConfig, SystemConfig, TensorBoardConfig, WandbConfig
from trainer.contract.attempts import Attempt, Lease, Superseded, attempts, begin_attempt
from trainer.contract.code import code_artifacts, record_code
from trainer.contract.code_files import code_digest
from trainer.contract.environment import ARENA, ArenaConfig, ArenaRewards, EnvConfig
from trainer.contract.machine import describe_machine
from trainer.contract.manifest import (
    Artifact,
    Episode,
    Interval,
    Manifest,
    OpRecord,
    SimulationResult,
    Stage,
    Status,
    StoppedAt,
    manifest_schema,
    read_manifest,
)
from trainer.contract.presets import create_experiment, create_quick_experiment
from trainer.contract.processes import this_process
from trainer.contract.progress import Progress, Reporter
from trainer.contract.provenance import Code, Compute, Environment
from trainer.contract.redaction import looks_secret, redacted
from trainer.contract.run_directory import RunDirectory, atomic_file, file_digest, write_text
from trainer.contract.spec import NAME, AxiomControls, ExperimentSpec, TrainAndEvalSpec
from trainer.contract.spec_file import begin_run, load_experiment_spec, save_experiment_spec, set_values, spec_yaml
from trainer.contract.tracking import Tracking
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
    "Code",
    "Compute",
    "CurriculumConfig",
    "EnvConfig",
    "Environment",
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
    "StoppedAt",
    "Superseded",
    "SystemConfig",
    "TensorBoardConfig",
    "TorchProfilerConfig",
    "Tracking",
    "TrainAndEvalSpec",
    "TrainerConfig",
    "WandbConfig",
    "atomic_file",
    "attempts",
    "begin_attempt",
    "begin_run",
    "code_artifacts",
    "code_digest",
    "create_experiment",
    "create_quick_experiment",
    "describe_machine",
    "digest_of",
    "file_digest",
    "load_experiment_spec",
    "looks_secret",
    "manifest_schema",
    "nearest",
    "read_manifest",
    "record_code",
    "redacted",
    "save_experiment_spec",
    "set_values",
    "spec_yaml",
    "this_process",
    "write_text",
]
