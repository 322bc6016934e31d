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
    InterventionRecord,
    Manifest,
    OpRecord,
    SimulationResult,
    Stage,
    Status,
    StoppedAt,
    manifest_schema,
    read_manifest,
)
from trainer.contract.monitors import (
    DivergenceConfig,
    MonitorsConfig,
    NonFiniteConfig,
    PlateauConfig,
    TargetConfig,
)
from trainer.contract.presets import PRESETS, create_experiment, create_quick_experiment
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
from trainer.contract.variants import Arm, VariantRun, Variants
from trainer.contract.variants_file import load_experiment, load_variants, save_variants
from trainer.plain.model import FrozenModel, digest_of
from trainer.plain.refusal import Problem, Refused, nearest

__all__ = [
    "ARENA",
    "NAME",
    "PRESETS",
    "AgentConfig",
    "ArenaConfig",
    "ArenaRewards",
    "Arm",
    "Artifact",
    "Attempt",
    "AxiomControls",
    "CheckpointConfig",
    "Code",
    "Compute",
    "CurriculumConfig",
    "DivergenceConfig",
    "EnvConfig",
    "Environment",
    "Episode",
    "ExperimentSpec",
    "FrozenModel",
    "Interval",
    "InterventionRecord",
    "Lease",
    "Manifest",
    "MonitorsConfig",
    "NonFiniteConfig",
    "OpRecord",
    "OptimizerConfig",
    "PPOConfig",
    "PlateauConfig",
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
    "TargetConfig",
    "TensorBoardConfig",
    "TorchProfilerConfig",
    "Tracking",
    "TrainAndEvalSpec",
    "TrainerConfig",
    "VariantRun",
    "Variants",
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
    "load_experiment",
    "load_experiment_spec",
    "load_variants",
    "looks_secret",
    "manifest_schema",
    "nearest",
    "read_manifest",
    "record_code",
    "redacted",
    "save_experiment_spec",
    "save_variants",
    "set_values",
    "spec_yaml",
    "this_process",
    "write_text",
]
