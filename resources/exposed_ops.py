"""Each exposed step of the experiment as one resource, its value what runs there, as data; nothing is loaded here.

All of it is derived: the keys and classes from the pipeline's declaration, their config from the registered ops.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, cast

import dagster as dg

from resources.typed_config import model_shape
from trainer.algorithm.declaration import exposed, slot_of, train_and_eval
from trainer.algorithm.imported import Imported
from trainer.algorithm.overrides import FUNCTION, Choice, Function, choice_of, choices, importable, replacement_of
from trainer.ops.op import Op, implementations
from trainer.pipeline import label
from trainer.plain.refusal import Refused, nearest

DECLARED = "declared"
NOT_DATA = (
    "is a lambda, a closure or a function of `__main__`, and a resource must be data, since what runs may be on "
    "another machine; move it to a module, or override it on an experiment's pipeline and run that in this process"
)


class ExposedOp(dg.ResourceDefinition):
    """What runs in one exposed step, the resource of that step's name.

    Every step has a class of its own, named like its key: `ComputeAdvantage(op=VTrace(rho_clip=1.0))`. `op` is a
    registered op, `Imported`, a function that can be imported, or one of these as data; none: what the spec declares.
    """

    path: ClassVar[str]

    def __init__(self, op: Any = None) -> None:
        """Raises `Refused`, with what is allowed, for an op of another slot and for a function that cannot travel."""
        self.choice: Choice | None = None if _is_declared(op) else _choice(self.path, op)
        super().__init__(lambda _: self, description=f"{_words(self.path)} Here: {self.choice or DECLARED}.")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.choice or DECLARED})"


def op_resources() -> dict[str, dg.ResourceDefinition]:
    """A resource for each exposed step, by the last part of its path; all are as declared until config says else."""
    return {slot_of(path): _resource(path) for path in exposed()}


@cache
def resource_classes() -> Mapping[str, type[ExposedOp]]:
    """The class of each exposed step's resource, by its own name."""
    names = {slot_of(path).title().replace("_", ""): path for path in exposed()}
    return {
        name: type(name, (ExposedOp,), {"path": path, "__module__": __name__, "__doc__": f"What runs in `{path}`."})
        for name, path in names.items()
    }


@cache
def op_classes() -> Mapping[str, type[Any]]:
    """Every registered op by the name of its class, and `Imported`."""
    ops = {op.__name__: op for slot in implementations().values() for op in slot.values()}
    return {**ops, Imported.__name__: Imported}


def refuse_misplaced_ops(definitions: Mapping[str, dg.ResourceDefinition]) -> None:
    """Refuse resources that are meant for a step and would have no effect: Dagster ignores what nothing requires.

    A key that is the name of a step that is not exposed, and an op under a key that is not its own.
    """
    keys = [slot_of(path) for path in exposed()]
    steps = {slot_of(step.path) for step in train_and_eval().steps()}
    for key, given in definitions.items():
        if key in steps and key not in keys:
            raise Refused.one(f"resources.{key}", key, f"is not exposed; {nearest(key, keys)}")
        if isinstance(given, ExposedOp) and slot_of(given.path) != key:
            raise Refused.one(f"resources.{key}", given, f"belongs at the key {slot_of(given.path)!r}")


def chosen_ops(resources: Any) -> dict[str, Choice]:
    """What the resources of a step's context put in the place of declared ops, by path; all of them are required."""
    chosen: dict[str, Choice] = {}
    for kind in resource_classes().values():
        key = slot_of(kind.path)
        given = getattr(resources, key)
        if not isinstance(given, kind):
            raise Refused.one(f"resources.{key}", given, f"must be a {kind.__name__}: {kind.__name__}(op=...)")
        chosen |= {kind.path: given.choice} if given.choice is not None else {}
    return chosen


def _resource(path: str) -> dg.ResourceDefinition:
    (kind,) = (each for each in resource_classes().values() if each.path == path)
    return dg.ResourceDefinition(
        lambda context: kind(context.resource_config["op"]),
        config_schema={"op": dg.Field(_selector(path), default_value={DECLARED: {}}, description=_words(path))},
        description=_words(path),
    )


def _selector(path: str) -> Any:
    as_declared: dg.Field = dg.Field(dg.Shape({}), default_value={}, description="What the spec says.")
    ops = {
        name: dg.Field(model_shape(model), description=(model.__doc__ or "").partition("\n")[0])
        for name, model in choices(slot_of(path)).items()
    }
    return cast("Any", dg.Selector({DECLARED: as_declared, **ops}, description=_words(path)))


def _words(path: str) -> str:
    return f"What runs in `{path}`."


def _is_declared(op: Any) -> bool:
    return op is None or op in (DECLARED, {DECLARED: {}})


def _choice(path: str, op: Any) -> Choice:
    op = replacement_of(path, op) if isinstance(op, str | Mapping) else op
    if isinstance(op, Op) and op.slot != slot_of(path):
        raise Refused.one(path, op.name, f"is an op of {op.slot}; {nearest(op.name, choices(slot_of(path)))}")
    if isinstance(op, Function) or (FUNCTION in choice_of(op) and callable(op)):
        raise Refused.one(path, getattr(op, "label", None) or label(op), NOT_DATA)
    if not isinstance(op, Op | Imported) and not importable(op):
        raise Refused.one(path, op, f"is no op; {nearest(str(op), choices(slot_of(path)))}")
    return choice_of(op)
