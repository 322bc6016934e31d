"""The numbers and the circumstances of a run, in words for a page; missing ones are said to be missing."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from assets.figures.series import number
from assets.report.record import RunRecord
from trainer.contract import Manifest

MISSING = "not recorded"


@dataclass(frozen=True)
class Fact:
    """A name and what is known under it."""

    name: str
    value: str


def key_numbers(record: RunRecord) -> list[Fact]:
    """How much, how long, how fast, with which seed, in which environment."""
    metrics = record.train.metrics if record.train else {}
    seconds = number(metrics.get("seconds"))
    return [
        Fact("environment", record.spec.trainer.curriculum.env.id),
        Fact("seed", str(record.spec.controls.seed)),
        Fact("agent-steps", _count(metrics, "agent_steps")),
        Fact("training time", MISSING if math.isnan(seconds) else _duration(seconds)),
        Fact("steps per second", _count(metrics, "steps_per_second")),
        Fact("training reward", _short(metrics, "reward")),
    ]


def circumstances(manifest: Manifest | None) -> list[Fact]:
    """Commit, digests and machine of a stage."""
    if manifest is None:
        return []
    code, environment = manifest.code, manifest.environment
    facts = [
        Fact("run", manifest.instance_name),
        Fact("Dagster run", manifest.run_id or MISSING),
        Fact("ended (UTC)", f"{manifest.ended_at:%Y-%m-%d %H:%M:%S}"),
        Fact("spec", manifest.spec_hash),
        Fact("weights", manifest.weights_digest or MISSING),
        Fact("manifest", manifest.digest),
        *(Fact(f"parent {stage}", digest) for stage, digest in manifest.parents.items()),
        Fact("commit", _commit(manifest)),
        Fact("source files", code.files if code else MISSING),
    ]
    if environment is None:
        return [*facts, Fact("machine", MISSING)]
    memory = f", {environment.memory_bytes / 2**30:.0f} GiB" if environment.memory_bytes else ""
    return [
        *facts,
        Fact("Python", f"{environment.implementation} {environment.python}, torch {environment.torch or 'not used'}"),
        Fact("machine", f"{environment.cpu or environment.machine}, {environment.cpu_count} CPUs{memory}"),
        Fact("GPU", environment.gpu or "none"),
        Fact("system", environment.platform),
    ]


def packages(manifest: Manifest | None) -> dict[str, str]:
    """Every installed package with its version."""
    return manifest.environment.packages if manifest and manifest.environment else {}


def _commit(manifest: Manifest) -> str:
    if manifest.code is None or manifest.code.commit is None:
        return MISSING
    changed = " with changes of its own (code.patch)" if manifest.code.dirty else ""
    return f"{manifest.code.commit}{changed}"


def _count(metrics: Mapping[str, float | None], name: str) -> str:
    return _or_missing(number(metrics.get(name)), ",.0f")


def _short(metrics: Mapping[str, float | None], name: str) -> str:
    return _or_missing(number(metrics.get(name)), ".4g")


def _or_missing(value: float, form: str) -> str:
    return MISSING if math.isnan(value) else format(value, form)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"
