"""From a pipeline that a user changed to a spec and to where it can run; it neither builds nor runs a pipeline."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import yaml

from resources.compute import Compute
from resources.in_process_compute import FunctionsCompute, InProcessCompute
from resources.local_compute import LocalCompute
from trainer.algorithm.declaration import train_and_eval
from trainer.algorithm.overrides import FUNCTION, Function, Replacement, choice_of
from trainer.contract import FrozenModel, Problem, Refused, TrainAndEvalSpec, set_values
from trainer.pipeline import Hook, Pipeline, label

NO_FUNCTION = Function(label="", digest="")
AnyCompute = LocalCompute | InProcessCompute | Compute


def with_values(spec: TrainAndEvalSpec, values: Mapping[str, Any]) -> TrainAndEvalSpec:
    """A copy of the spec with values set, by dotted paths or nested: `{"trainer.ppo": {"gamma": 0.9}}`."""
    return set_values(spec, assignments(values))


def assignments(values: Mapping[str, Any]) -> list[str]:
    """Values of a spec as `path=YAML`, one for each."""
    return list(_assignments(TrainAndEvalSpec, values))


def with_overrides(spec: TrainAndEvalSpec, pipeline: Pipeline, untouched: Mapping[str, Any]) -> TrainAndEvalSpec:
    """The spec with the overrides of the pipeline and no others; `untouched` are those that it got from the spec.

    Raises `Refused` for an op of another slot, and for steps that were added: they would not run.
    """
    declared = {step.path for step in train_and_eval().steps()}
    added = [step.path for step in pipeline.steps() if step.path not in declared]
    if added:
        why = "was added to the experiment's pipeline, and a spec holds overrides only; override an exposed step"
        raise Refused.one("pipeline", ", ".join(added), why)
    for path, op in pipeline.overrides().items():
        if isinstance(op, Pipeline):
            raise Refused.one(path, op.name, "is a pipeline, which no spec can hold; give a function")
    overrides = {
        path: spec.overrides[path] if op is untouched.get(path) else choice_of(op)
        for path, op in pipeline.overrides().items()
    }
    return TrainAndEvalSpec.accept({**spec.plain(), "overrides": overrides})


def functions_of(spec: TrainAndEvalSpec, pipeline: Pipeline | None) -> dict[str, Replacement]:
    """The spec's overrides that exist in this process only: lambdas, closures, functions of `__main__`.

    Raises `Refused` for those that not even this process has.
    """
    here: Mapping[str, Any] = pipeline.overrides() if pipeline else {}
    paths = [path for path, choice in spec.overrides.items() if FUNCTION in choice]
    lost = [path for path in paths if isinstance(here.get(path, NO_FUNCTION), Function)]
    if lost:
        why = "is a function that only the process had that made this spec; override the step here"
        raise Refused(Problem(path, spec.overrides[path][FUNCTION]["label"], why) for path in lost)
    return {path: cast("Replacement", here[path]) for path in paths}


def compute_for(
    functions: Mapping[str, Replacement], hooks: Mapping[str, Sequence[Hook]], compute: AnyCompute | None
) -> AnyCompute | None:
    """Where a run with these can be: this process if there are any; raises `Refused` if another is asked."""
    if not functions and not hooks:
        return compute
    if compute is None or isinstance(compute, InProcessCompute):
        return FunctionsCompute(functions, compute or InProcessCompute(), hooks)
    kind = cast("Any", type(compute)).__name__
    why = (
        f"exists in this process only, and {kind} runs in another; put it into a module that can be imported, "
        "or run with compute=InProcessCompute() or none"
    )
    here = [*functions.items(), *((path, hook) for path, watchers in hooks.items() for hook in watchers)]
    raise Refused(Problem(path, label(each), why) for path, each in here)


def _assignments(model: type[FrozenModel], values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Each value as `path=YAML`; whatever is inside a field that is no model stays together."""
    for key, given in values.items():
        name, dot, rest = key.partition(".")
        value = {rest: given} if dot else given
        field = model.model_fields.get(model.long_names.get(name, name))
        inner = field.annotation if field else None
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, FrozenModel):
            yield from _assignments(inner, cast("Mapping[str, Any]", value), f"{prefix}{name}.")
        elif field is None:
            yield f"{prefix}{key}={_yaml(given)}"
        else:
            yield f"{prefix}{name}={_yaml(value)}"


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True)
