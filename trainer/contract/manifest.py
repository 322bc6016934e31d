"""The record of one stage of one run: what ran, on what, from which parents, with what result; never the run itself.

Any change of its fields is a new `SCHEMA_VERSION`; docs/manifest.md and docs/manifest.schema.json say what each means.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self, cast

from pydantic import Field

from trainer.contract.provenance import Code, Compute, Environment
from trainer.contract.run_directory import RunDirectory, file_digest, write_text
from trainer.contract.tracking import Tracking
from trainer.plain.model import FrozenModel, digest_of
from trainer.plain.refusal import Refused

Stage = Literal["train", "evaluate", "analyze"]
Status = Literal["succeeded", "failed", "cancelled"]
SCHEMA_VERSION: Literal[4] = 4
EARLIER_VERSIONS = (1, 2, 3)
MONITORS = "trainer.monitors."


class Artifact(FrozenModel):
    """A file that a stage left behind."""

    path: str = Field(description="Relative to the run directory.")
    uri: str = Field(description="Where it was written, as a file URI.")
    size_bytes: int = Field(description="Its size.")
    sha256: str = Field(description="Digest of its bytes.")

    @classmethod
    def of(cls, file: Path, run: RunDirectory) -> Self:
        """The record of a file as it lies there now."""
        uri = file.absolute().as_uri()
        return cls(path=run.relative(file), uri=uri, size_bytes=file.stat().st_size, sha256=file_digest(file))


class OpRecord(FrozenModel):
    """What ran in an exposed step."""

    implementation: str = Field(description="Its name; `imported` or `function` for a user's own.")
    params: dict[str, Any] = Field(default={}, description="All its parameters.")
    source_digest: str | None = Field(default=None, description="Digest of its source; none: it has no readable one.")


class StoppedAt(FrozenModel):
    """How far a stage came that did not succeed."""

    step: str | None = Field(
        default=None, description="The step that failed, with iterations: `train.updates#3.rollout`."
    )
    update: int | None = Field(default=None, description="The last update that was finished; none outside training.")
    agent_steps: int | None = Field(default=None, description="Agent-steps by then.")


class InterventionRecord(FrozenModel):
    """What a monitor or a hook asked for while the stage ran."""

    intervention: Literal["stop_early", "save_checkpoint", "notify"] = Field(description="What was asked for.")
    reason: str = Field(description="Why, in words.")
    path: str = Field(
        description="Who asked: a monitor by its path in the spec, a hook by its path in the pipeline, with iterations."
    )
    iteration: int | None = Field(
        default=None, description="The innermost iteration around it; of a monitor, the update."
    )
    honoured_by: tuple[str, ...] = Field(
        default=(), description="The loops that did it; `log`: it was said there; empty: nobody did."
    )
    metric: str | None = Field(default=None, description="What a monitor judged by; none: no single metric, or a hook.")
    value: float | None = Field(default=None, description="What it came to then; none: there is no such number.")
    agent_steps: int | None = Field(default=None, description="Agent-steps by then; none: a hook asked.")
    seconds: float | None = Field(default=None, description="Seconds of training by then; none: a hook asked.")

    @property
    def monitor(self) -> str | None:
        """Its kind and name, `plateau.flat`; none where a hook asked."""
        return self.path.removeprefix(MONITORS) if self.path.startswith(MONITORS) else None


class Interval(FrozenModel):
    """A mean and its two-sided 95 % interval (Student's t over episodes)."""

    mean: float = Field(description="Mean over episodes.")
    low: float = Field(description="Lower end of the interval.")
    high: float = Field(description="Upper end of the interval.")


class Episode(FrozenModel):
    """One episode of an evaluation."""

    seed: int = Field(description="What the environment was reset with.")
    reward: float = Field(description="Return of the episode, mean over its agents.")
    length: int = Field(description="Steps.")
    stats: dict[str, float] = Field(default={}, description="What the environment counted, mean over agents.")


class SimulationResult(FrozenModel):
    """A simulation's episodes, and those of a uniformly random policy on the same seeds."""

    mean_reward: float = Field(description="Mean episode reward of the agent.")
    reward: Interval = Field(description="The agent's mean reward with its interval.")
    random_reward: Interval = Field(description="The random policy's, over the same seeds.")
    episodes: tuple[Episode, ...] = Field(description="The agent's episodes.")
    random_episodes: tuple[Episode, ...] = Field(description="The random policy's episodes.")
    replays: tuple[str, ...] = Field(default=(), description="Replay files, relative to the run directory.")

    @property
    def times_random(self) -> float | None:
        """The agent's mean reward over the random policy's; none where the latter is not positive."""
        return self.reward.mean / self.random_reward.mean if self.random_reward.mean > 0 else None

    @property
    def apart(self) -> bool:
        """Whether the two intervals do not touch."""
        return self.reward.low > self.random_reward.high or self.reward.high < self.random_reward.low


class Manifest(FrozenModel):
    """One stage of one run. `digest` identifies it; children name it among their `parents`."""

    schema_version: Literal[4] = Field(default=SCHEMA_VERSION, description="Version of this schema.")
    stage: Stage = Field(description="Which stage this records.")
    instance_name: str = Field(description="The run's name; also its directory's.")
    run_id: str | None = Field(default=None, description="Dagster's run, if it ran under Dagster.")
    status: Status = Field(description="How the stage ended.")
    error: str | None = Field(default=None, description="Why it failed, in a line, secrets masked.")
    stopped_at: StoppedAt | None = Field(default=None, description="Where it stopped; none if it succeeded.")
    attempt: int = Field(default=1, ge=1, description="Which try at this stage of this run, counted from 1.")
    started_at: datetime = Field(description="When the stage began (UTC).")
    ended_at: datetime = Field(description="When it ended (UTC).")
    spec: dict[str, Any] = Field(description="The full resolved spec.")
    spec_hash: str = Field(description="Digest of the spec.")
    parents: dict[str, str] = Field(
        default={},
        description="Digest of each parent stage's manifest; `resume_from`: of the training that it went on from.",
    )
    environment: Environment | None = Field(default=None, description="Python, packages, machine; none: not recorded.")
    code: Code | None = Field(default=None, description="Commit, files and patch of the code that ran.")
    compute: Compute | None = Field(default=None, description="The process that ran it, and its job.")
    tracking: Tracking | None = Field(default=None, description="Where its numbers were logged to; none: nowhere.")
    exposed: tuple[str, ...] = Field(default=(), description="Paths of the steps that may be overridden.")
    overrides: dict[str, OpRecord] = Field(default={}, description="What replaced an exposed step, by its path.")
    ops: dict[str, OpRecord] = Field(default={}, description="What ran in every exposed step of this stage.")
    pipeline_fingerprint: str | None = Field(default=None, description="Digest of the pipeline with its overrides.")
    checks: dict[str, dict[str, int]] = Field(default={}, description="Counts of each check, by path and name.")
    hooks: dict[str, dict[str, int]] = Field(default={}, description="How often each hook was called, and failed.")
    interventions: tuple[InterventionRecord, ...] = Field(default=(), description="What monitors and hooks asked for.")
    metrics: dict[str, float | None] = Field(default={}, description="Summary numbers; none is missing, never zero.")
    eval_results: dict[str, SimulationResult] = Field(default={}, description="Results by simulation.")
    weights_digest: str | None = Field(default=None, description="Digest of the trained parameters, name by name.")
    checkpoint: Artifact | None = Field(default=None, description="The final checkpoint.")
    artifacts: tuple[Artifact, ...] = Field(default=(), description="Every other file of the stage.")

    @property
    def digest(self) -> str:
        """`sha256:…` of the canonical JSON."""
        return digest_of(self.plain())

    def write(self, run: RunDirectory) -> Path:
        """Write it to its place in the run directory, whole or not at all."""
        path = run.manifest_file(self.stage)
        write_text(path, json.dumps(self.plain(), indent=2, allow_nan=False) + "\n")
        return path


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; raises `Refused` where it is missing, torn or not a manifest."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refused.one("manifest", str(path), "no such file; did this stage finish?") from None
    except json.JSONDecodeError as error:
        raise Refused.one("manifest", str(path), f"not JSON ({error}); the file is torn or was edited") from None
    version = cast("dict[str, Any]", data).get("schema_version") if isinstance(data, dict) else None
    if version in EARLIER_VERSIONS:
        raise Refused.one(
            "schema_version",
            version,
            f"{path} was written by an earlier axiom_dagster, and this one reads version {SCHEMA_VERSION}; read it "
            "with the commit that its `environment` names, or run its run.yaml again",
        )
    return Manifest.accept(data)


def manifest_schema() -> str:
    """The JSON Schema of a manifest as it is written, every field present; docs/manifest.schema.json holds it."""
    schema = Manifest.model_json_schema(mode="serialization")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"
