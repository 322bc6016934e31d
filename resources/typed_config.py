"""Dagster config derived from a plain model, typed and described; it adds no field and changes no value."""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin

import dagster as dg
from dagster._config import PostProcessingError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from trainer.plain.model import FrozenModel
from trainer.plain.refusal import Refused

SCALARS: Mapping[type, Any] = {str: str, int: int, float: float, bool: bool}
BOUNDS: tuple[tuple[str, str], ...] = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))


class ModelShape(dg.Shape):
    """A shape whose values its model checks, bounds and all, when a plan is made: before a run exists."""

    def __new__(cls, fields: Mapping[str, dg.Field], model: type[FrozenModel]) -> "ModelShape":
        """Make an own object for each model."""
        # dg.Shape hands out one shared plain Shape for equal fields; this one must stay of its own class.
        shape = cast("ModelShape", object.__new__(cls))
        shape._initialized = False
        return shape

    def __init__(self, fields: Mapping[str, dg.Field], model: type[FrozenModel]) -> None:
        super().__init__(fields, description=model.__doc__)  # pyright: ignore[reportUnknownMemberType]
        self.model = model

    def post_process(self, value: Any) -> dict[str, Any]:
        """The model's full plain data; Dagster shows what is refused and launches nothing."""
        try:
            return self.model.accept(value).plain()
        except Refused as refused:
            raise PostProcessingError(str(refused)) from None


def model_shape(model: type[FrozenModel]) -> ModelShape:
    """The shape of a model; a value that it does not accept is refused with the model's own words."""
    fields = {name: _field(model, name, info) for name, info in model.model_fields.items()}
    return ModelShape(fields, model)


def _field(model: type[FrozenModel], name: str, info: FieldInfo) -> dg.Field:
    options: dict[str, Any] = {"description": describe(info)}
    default = info.get_default()
    if info.is_required():
        options["is_required"] = True
    elif not isinstance(default, FrozenModel):
        options["default_value"] = to_jsonable_python(default)
    return dg.Field(_config_type(info.annotation, f"{model.__name__}_{name}"), **options)


def _config_type(annotation: Any, name: str) -> Any:
    if annotation in SCALARS:
        return SCALARS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, FrozenModel):
        return model_shape(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return dg.Enum(name, [dg.EnumValue(choice) for choice in arguments])
    if origin is dict:
        return cast("Any", dg.Permissive() if arguments[1] is Any else dg.Map(str, _config_type(arguments[1], name)))
    inner = [kind for kind in arguments if kind not in (NoneType, ...)]
    wrapper = dg.Array if origin is tuple else dg.Noneable if origin in (Union, UnionType) else None
    if wrapper is None or len(inner) != 1 or len(arguments) != 2:
        raise TypeError(f"{name}: {annotation} has no place in the Launchpad; spell it with plain types")
    return cast("Any", wrapper(_config_type(inner[0], name)))


def describe(info: FieldInfo) -> str:
    """A field's sentence and its bounds: `Step size at the start of training. (> 0, ≤ 10)`."""
    bounds = [
        f"{sign} {getattr(limit, name):,}" for name, sign in BOUNDS for limit in info.metadata if hasattr(limit, name)
    ]
    bounds += [f"at least {limit.min_length} long" for limit in info.metadata if hasattr(limit, "min_length")]
    bounds += [f"matches `{limit.pattern}`" for limit in info.metadata if getattr(limit, "pattern", None)]
    return f"{info.description} ({', '.join(bounds)})" if bounds else info.description or ""
