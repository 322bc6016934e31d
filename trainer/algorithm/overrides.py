"""Which op replaces which exposed step, as data in one canonical form; it never loads a user's code to accept it."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pydantic import Field, ValidationError

from trainer.algorithm.declaration import slot_of, train_and_eval
from trainer.algorithm.imported import Imported
from trainer.ops.op import Op, implementations
from trainer.pipeline import described, label, source_digest
from trainer.plain.model import FrozenModel, digest_of
from trainer.plain.refusal import Refused, nearest

IMPORTED, FUNCTION = "imported", "function"

Replacement = Callable[[Any], Any]
Choice = dict[str, dict[str, Any]]


class Function(FrozenModel):
    """A function that exists in one process only, a lambda or a closure: its name and the digest of what it is made of.

    Only compute in that process can run it.
    """

    label: str = Field(description="`module:qualname`.")
    digest: str = Field(description="Digest of its source, its defaults and what it closes over.")

    def __call__(self, given: Any) -> Any:
        """Refused: the function itself is elsewhere."""
        why = "is a function of another process; make it an importable `module:function`, or use in-process compute"
        raise Refused.one("function", self.label, why)


def choices(slot: str) -> dict[str, type[FrozenModel]]:
    """All that may stand in for a slot's declared op, by name: registered implementations, and the user's own."""
    return {**implementations().get(slot, {}), IMPORTED: Imported}


def accepted_overrides(given: Mapping[str, Any]) -> dict[str, Choice]:
    """Overrides with whole paths and all parameters, `{path: {implementation: parameters}}`; the form that is hashed.

    A path may be its last part, and a choice without parameters its name. Raises `Refused` with the nearest name.
    """
    pipeline, whole = train_and_eval(), dict[str, Choice]()
    for path, choice in given.items():
        replacement = replacement_of(path, choice)
        ((name, _),) = choice_of(replacement).items()
        whole_path = accepted_path(path, name)
        if whole_path in whole:
            raise Refused.one(path, replacement, f"{whole_path} is given twice")
        pipeline.override(whole_path, replacement)
        whole[whole_path] = choice_of(replacement)
    return dict(sorted(whole.items()))


def accepted_path(path: str, name: str) -> str:
    """The whole path of an exposed step; raises `Refused` with what is exposed and the nearest name."""
    try:
        return next(iter(train_and_eval().override(path, _nothing).overrides()))
    except Refused as refused:
        raise Refused(replace(problem, value=name) for problem in refused.problems) from None


def _nothing(given: Any) -> Any:
    return given


def replacement_of(path: str, choice: Any) -> Op | Imported | Function:
    """The op that a choice names; raises `Refused` with the path and value of all that is wrong."""
    named = {choice: {}} if isinstance(choice, str) else choice
    if not isinstance(named, Mapping) or len(cast("Mapping[str, Any]", named)) != 1:
        raise Refused.one(
            path, repr(choice), "must be one implementation with its parameters: {vtrace: {rho_clip: 1.0}}"
        )
    ((name, params),) = cast("Mapping[str, Any]", named).items()
    known = {**choices(slot_of(path)), FUNCTION: Function}
    if name not in known:
        accepted_path(path, name)
        raise Refused.one(path, name, f"no such implementation; {nearest(str(name), choices(slot_of(path)))}")
    try:
        return cast("Op | Imported | Function", known[name].model_validate(params or {}))
    except ValidationError as error:
        problems = Refused.from_validation(error, name).problems
        raise Refused(
            replace(each, path=f"{path}.{name}" if each.path == name else f"{path}.{name}.{each.path}")
            for each in problems
        ) from None


def choice_of(replacement: Any) -> Choice:
    """What a replacement is, as data: a registered op, something importable, or a function of this process."""
    if isinstance(replacement, Imported):
        return {IMPORTED: replacement.plain()}
    if isinstance(replacement, Function):
        return {FUNCTION: replacement.plain()}
    if isinstance(replacement, Op) and type(replacement) in implementations().get(replacement.slot, {}).values():
        return {replacement.name: replacement.plain()}
    if isinstance(replacement, Op) and importable(type(replacement)):
        return {IMPORTED: Imported(target=label(type(replacement)), params=replacement.plain()).plain()}
    if importable(replacement):
        return {IMPORTED: Imported(target=label(replacement)).plain()}
    return {FUNCTION: Function(label=label(replacement), digest=digest_of(described(replacement))).plain()}


def importable(replacement: Any) -> bool:
    """Whether another process can import this: it stands by its own name in a module other than `__main__`."""
    module, _, name = label(replacement).partition(":")
    return module not in ("__main__", "builtins") and getattr(sys.modules.get(module), name, None) is replacement


def loaded(path: str, choice: Choice, functions: Mapping[str, Replacement]) -> Replacement:
    """What runs at an overridden path; a function that is not among this process's `functions` refuses to be called.

    Functions are told by name, not by digest: what a closure holds may have changed since.
    """
    replacement = replacement_of(path, choice)
    if isinstance(replacement, Imported):
        return replacement.load()
    if isinstance(replacement, Function) and path in functions and label(functions[path]) == replacement.label:
        return functions[path]
    return replacement


def imported_sources(overrides: Mapping[str, Choice]) -> dict[str, Path]:
    """The files of all imported ops, by their place in a folder that is put in the Python path."""
    found: dict[str, Path] = {}
    for path, choice in overrides.items():
        replacement = replacement_of(path, choice)
        found |= replacement.sources() if isinstance(replacement, Imported) else {}
    return found


def source_of(replacement: Any) -> str | None:
    """Digest of the source of an op: of its class, or of the function."""
    if isinstance(replacement, Function):
        return replacement.digest
    inner = getattr(replacement, "func", replacement)
    return source_digest(inner if hasattr(inner, "__qualname__") else type(inner))
