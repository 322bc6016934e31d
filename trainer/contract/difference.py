"""What differs between two manifests, or between two specs, group by group; it never judges which of them is right."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from pydantic import Field

from trainer.contract.manifest import Interval, Manifest, OpRecord, SimulationResult
from trainer.contract.resume import PARENT, ResumeFrom
from trainer.contract.spec import TrainAndEvalSpec, default_simulations
from trainer.plain.model import FrozenModel

# What may differ between two runs of which one tests a single factor of the other, and why.
NOT_FACTORS: Mapping[str, str] = {
    "name": "it only names the run",
    "description": "it only describes the run",
    "wandb": "it only says where numbers are logged",
    "tensorboard": "it only says where numbers are logged",
    "controls.seed": "another seed repeats an experiment",
    "controls.baseline": "it only names the run to compare with",
    "controls.single_factor_enforce": "it is this rule itself",
}


class Change(FrozenModel):
    """One value that differs; none where there is no such value."""

    path: str = Field(description="Where it stands, dotted.")
    a: Any = Field(default=None, description="In the first.")
    b: Any = Field(default=None, description="In the second.")

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.a)} → {_shown(self.b)}"


class ResultChange(Change):
    """One result that differs."""

    difference: float | None = Field(default=None, description="b − a; none unless both are numbers.")
    a_interval: Interval | None = Field(default=None, description="The first one's 95 % interval, if it has one.")
    b_interval: Interval | None = Field(default=None, description="The second one's.")

    @property
    def touching(self) -> bool | None:
        """Whether the two intervals touch; none without intervals."""
        a, b = self.a_interval, self.b_interval
        return None if a is None or b is None else a.low <= b.high and b.low <= a.high


class Difference(FrozenModel):
    """All that differs between two manifests; a group where nothing does is empty."""

    spec: tuple[Change, ...] = Field(default=(), description="Values of the spec, except overrides.")
    overrides: tuple[Change, ...] = Field(default=(), description="What runs in overridden steps, by path.")
    code: tuple[Change, ...] = Field(default=(), description="Commit, and the source of ops that both ran.")
    environment: tuple[Change, ...] = Field(default=(), description="Python, packages, machine.")
    results: tuple[ResultChange, ...] = Field(default=(), description="Weights, metrics, simulations.")

    @property
    def conditions(self) -> tuple[Change, ...]:
        """All but the results."""
        return (*self.spec, *self.overrides, *self.code, *self.environment)


def difference(a: Manifest, b: Manifest) -> Difference:
    """What differs between two manifests, the paths of each group in order."""
    return Difference(
        spec=(*changes(_values(a.spec), _values(b.spec)), *changes(_origin(a), _origin(b))),
        overrides=_changed_overrides(a.spec, b.spec),
        code=(*changes(_code(a), _code(b)), *_changed_sources(a.ops, b.ops)),
        environment=changes(_surroundings(a), _surroundings(b)),
        results=(*_changed_numbers(a, b), *_changed_simulations(a.eval_results, b.eval_results)),
    )


def factors(a: TrainAndEvalSpec, b: TrainAndEvalSpec) -> tuple[str, ...]:
    """The paths of what distinguishes two specs: each value, each override; not what `NOT_FACTORS` names.

    Simulations that both derive from their training environments are no factor of their own.
    """
    return tuple(change.path for change in factor_changes(a, b))


def factor_changes(a: TrainAndEvalSpec, b: TrainAndEvalSpec) -> tuple[Change, ...]:
    """The same with their values."""
    first, second = a.plain(), b.plain()
    if all(spec.eval_configs == default_simulations(spec.trainer.curriculum.env) for spec in (a, b)):
        first["eval_configs"] = second["eval_configs"] = {}
    values = changes(_values(first), _values(second))
    return (*(each for each in values if not _is_no_factor(each.path)), *_changed_overrides(first, second))


def _is_no_factor(path: str) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in NOT_FACTORS)


def changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Change, ...]:
    """Each leaf that differs between two nested mappings, by its dotted path, in order."""
    first, second = dict(_leaves(a)), dict(_leaves(b))
    paths = sorted({**first, **second})
    return tuple(
        Change(path=path, a=first.get(path), b=second.get(path))
        for path in paths
        if first.get(path) != second.get(path)
    )


def _leaves(data: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, Mapping):
            yield from _leaves(cast("Mapping[str, Any]", value), f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _values(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec without its overrides; what it begins with is one value."""
    begins_with = spec.get("resume_from")
    named = None if begins_with is None else str(ResumeFrom.accept(begins_with))
    return {name: value for name, value in spec.items() if name != "overrides"} | {"resume_from": named}


def _origin(manifest: Manifest) -> dict[str, Any]:
    """What a training began with, which its spec names and does not pin."""
    return {f"parents.{PARENT}": digest for name, digest in manifest.parents.items() if name == PARENT}


def _changed_overrides(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Change, ...]:
    """Each override, with all its parameters, as one change."""
    first, second = a.get("overrides", {}), b.get("overrides", {})
    paths = sorted({**first, **second})
    return tuple(
        Change(path=path, a=first.get(path), b=second.get(path))
        for path in paths
        if first.get(path) != second.get(path)
    )


def _code(manifest: Manifest) -> dict[str, Any]:
    code = manifest.code
    return {} if code is None else {"commit": code.commit, "dirty": code.dirty, "files": code.files}


def _surroundings(manifest: Manifest) -> dict[str, Any]:
    """The environment without its fingerprint, which differs when something else does; how many processes ran."""
    environment, compute = manifest.environment, manifest.compute
    world_size = {"world_size": compute.world_size if compute else 1}
    return world_size | (environment.model_dump(mode="json", exclude={"fingerprint"}) if environment else {})


def _changed_sources(a: Mapping[str, OpRecord], b: Mapping[str, OpRecord]) -> Iterator[Change]:
    """The digests of ops that are the same by name and parameters, and not by source."""
    for path in sorted(a.keys() & b.keys()):
        same = (a[path].implementation, a[path].params) == (b[path].implementation, b[path].params)
        if same and a[path].source_digest != b[path].source_digest:
            yield Change(path=f"ops.{path}", a=a[path].source_digest, b=b[path].source_digest)


def _changed_numbers(a: Manifest, b: Manifest) -> Iterator[ResultChange]:
    if a.weights_digest != b.weights_digest:
        yield ResultChange(path="weights_digest", a=a.weights_digest, b=b.weights_digest)
    for name in sorted({**a.metrics, **b.metrics}):
        first, second = a.metrics.get(name), b.metrics.get(name)
        if first != second:
            by = None if first is None or second is None else second - first
            yield ResultChange(path=f"metrics.{name}", a=first, b=second, difference=by)


def _changed_simulations(
    a: Mapping[str, SimulationResult], b: Mapping[str, SimulationResult]
) -> Iterator[ResultChange]:
    for name in sorted({**a, **b}):
        first, second = a.get(name), b.get(name)
        if first and second and (first.episodes, first.reward) == (second.episodes, second.reward):
            continue
        yield ResultChange(
            path=f"eval_results.{name}.mean_reward",
            a=first and first.mean_reward,
            b=second and second.mean_reward,
            difference=second.mean_reward - first.mean_reward if first and second else None,
            a_interval=first and first.reward,
            b_interval=second and second.reward,
        )


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    text = str(value)
    return text[:19] + "…" if text.startswith("sha256:") else text
