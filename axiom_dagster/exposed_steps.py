"""What is exposed in a spec's experiment and what may stand there, as plain data; it loads no engine and no op."""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from inspect import getdoc, signature
from typing import Any, cast, get_args

from pydantic import Field

from trainer.algorithm.declaration import slot_of, train_and_eval
from trainer.algorithm.overrides import Choice, choices
from trainer.contract import TrainAndEvalSpec
from trainer.contract.declared import declared_ops
from trainer.contract.exposure import DECLARED
from trainer.ops.op import Op
from trainer.ops.slots import Descent
from trainer.plain.model import FrozenModel

BOUNDS: Mapping[str, str] = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}


class Term(FrozenModel):
    """One side of what is agreed on: the name of the record or type, what it holds, its fields with their types."""

    record: str
    meaning: str
    fields: dict[str, str] = Field(default={})


class Parameter(FrozenModel):
    """One parameter of an implementation; `bounds` as in `> 0, ≤ 1`."""

    name: str
    type: str
    required: bool
    default: Any
    bounds: str
    description: str


class Implementation(FrozenModel):
    """One op that may stand in a slot; `source` is the paper or book that its module names."""

    name: str
    summary: str
    source: str
    parameters: tuple[Parameter, ...]


class ExposedStep(FrozenModel):
    """One exposed step: what it is given and owes, what runs there, what else may."""

    path: str
    slot: str
    kind: str
    summary: str
    given: Term
    owes: Term
    declared: Choice
    overridden_by: Choice | None
    implementations: tuple[Implementation, ...]


# The engine defines these records, and only it can load them; a test holds the words to the records' own.
OF_THE_ENGINE: Mapping[str, tuple[str, Term, Term]] = {
    "train": (
        "The whole training.",
        Term(record="TrainJob", meaning="the experiment, and where its files go."),
        Term(record="str | Path | Mapping", meaning="a checkpoint of an earlier training: its path, or what is in it."),
    ),
    "policy": (
        "Makes the agent that learns.",
        Term(record="Blueprint", meaning="what the agent sees and does, and the network that the spec describes."),
        Term(record="Policy", meaning="a `torch.nn.Module` with these methods, its parameters all registered."),
    ),
    "rollout": (
        "Lets the agent act and remembers what came of it.",
        Term(record="Collection", meaning="who acts, where, and for how many steps."),
        Term(record="Rollout", meaning="what N slots saw, did and got in T steps."),
    ),
    "evaluate": (
        "The whole evaluation.",
        Term(record="EvaluateJob", meaning="the experiment, what its training left, and who is told."),
        Term(record="dict[str, SimulationResult]", meaning="a `SimulationResult` for each simulation, by name."),
    ),
    "analyze": (
        "The whole analysis.",
        Term(
            record="AnalyzeJob",
            meaning="the manifests of a training and its evaluation, and the training's metrics.",
        ),
        Term(record="dict[str, str | bytes]", meaning="files: their content, text or bytes, by plain name."),
    ),
}

IN_PLACE: Mapping[str, Term] = {
    "clip_gradients": Term(record="Tensor", meaning="the norm of the gradients before they were clipped, shape ()."),
    "adam_step": Term(record="None", meaning="nothing; the parameters have moved."),
}


def exposed_steps(spec: TrainAndEvalSpec) -> tuple[ExposedStep, ...]:
    """Every exposed step of the spec's experiment, in the order in which they run."""
    ops = declared_ops(spec.trainer.optimizer)
    pipeline = train_and_eval(ops)
    running = pipeline.running()
    return tuple(
        _step(step.path, step.kind, running[step.path], spec.overrides.get(step.path))
        for step in pipeline.steps()
        if step.exposed
    )


def _step(path: str, kind: str, declared: Any, override: Choice | None) -> ExposedStep:
    slot = slot_of(path)
    summary, given, owes = _agreement(slot)
    return ExposedStep(
        path=path,
        slot=slot,
        kind=kind,
        summary=summary,
        given=given,
        owes=owes,
        declared={declared.name: declared.plain()} if isinstance(declared, Op) else {DECLARED: {}},
        overridden_by=override,
        implementations=tuple(_implementation(name, model) for name, model in choices(slot).items()),
    )


def _agreement(slot: str) -> tuple[str, Term, Term]:
    if slot in OF_THE_ENGINE:
        return OF_THE_ENGINE[slot]
    if slot == "optimizer":
        return "Moves the parameters along the gradients of a minibatch.", _term(Descent), IN_PLACE["clip_gradients"]
    (base,) = (op for op in Op.__subclasses__() if op.slot == slot)
    call = signature(base.__call__)
    _, given = call.parameters.values()
    owed = IN_PLACE[slot] if slot in IN_PLACE else _owed(call.return_annotation, base)
    return _first(base), _term(given.annotation), owed


def _owed(annotation: Any, base: type[Op]) -> Term:
    if is_dataclass(annotation):
        return _term(cast("type[Any]", annotation))
    return Term(record=_type(annotation), meaning=_after_colon(_first(base.__call__)))


def _term(record: type[Any]) -> Term:
    return Term(
        record=record.__name__,
        meaning=_after_colon(_first(record)),
        fields={field.name: _type(field.type) for field in fields(record)},
    )


def _implementation(name: str, model: type[FrozenModel]) -> Implementation:
    return Implementation(name=name, summary=_first(model), source=_source(model), parameters=tuple(_parameters(model)))


def _parameters(model: type[FrozenModel]) -> Iterator[Parameter]:
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        shown = schema["properties"][name]
        limits: dict[str, Any] = {
            key: limit for each in (shown, *shown.get("anyOf", ())) for key, limit in each.items()
        }
        yield Parameter(
            name=name,
            type=_type(field.annotation),
            required=field.is_required(),
            default=shown.get("default"),
            bounds=", ".join(f"{sign} {limits[key]:g}" for key, sign in BOUNDS.items() if key in limits),
            description=field.description or "",
        )


def _source(model: type[FrozenModel]) -> str:
    """What the op's module says behind its first sentence: authors, year, title."""
    if not issubclass(model, Op):
        return ""
    _, *further = (getdoc(sys.modules[model.__module__]) or "").split("\n\n")
    return " ".join(further[0].split()) if further else ""


def _first(thing: Any) -> str:
    """The first paragraph of a docstring."""
    return " ".join((getdoc(thing) or "").partition("\n\n")[0].split())


def _after_colon(sentence: str) -> str:
    return sentence.partition(": ")[2] or sentence


def _type(annotation: Any) -> str:
    """A type as it is written in code, without the modules it comes from."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__name__.replace("NoneType", "None")
    return re.sub(r"\b(\w+\.)+", "", str(annotation))
