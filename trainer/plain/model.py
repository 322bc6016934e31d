"""The base of all plain data: frozen, strict about names, with one canonical form and one hash; never any behaviour."""

import json
from collections.abc import Mapping
from hashlib import sha256
from types import NoneType
from typing import Any, ClassVar, Self, cast, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from trainer.plain.refusal import Refused, nearest

NUMBERS: tuple[Any, ...] = (int, float)


class FrozenModel(BaseModel):
    """Plain immutable data. Unknown keys, NaN and infinities are refused; `long_names` maps aliases to fields."""

    # Built when first used: who loads the definitions validates with few of these models.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, defer_build=True)
    long_names: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _canonical_names(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        named: dict[str, Any] = {}
        for key, value in cast("Mapping[str, Any]", data).items():
            field = cls.long_names.get(key, key)
            if field not in cls.model_fields:
                raise PydanticCustomError(
                    "unknown_key", "unknown key '{key}'; {hint}", {"key": key, "hint": nearest(key, cls.model_fields)}
                )
            if field in named:
                raise PydanticCustomError("given_twice", "'{field}' is given twice", {"field": field})
            if isinstance(value, bool) and cls.model_fields[field].annotation in NUMBERS:
                raise PydanticCustomError(
                    "not_a_number", "'{field}' is {value}, not a number", {"field": field, "value": str(value).lower()}
                )
            named[field] = value
        return named

    @classmethod
    def accept(cls, data: Any) -> Self:
        """Validate `data`; raises `Refused` with the path and value of everything that is wrong."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise Refused.from_validation(error, cls.__name__) from None

    def plain(self) -> dict[str, Any]:
        """The same data as JSON types only."""
        return self.model_dump(mode="json")


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field of this type holds, or may hold where it is optional; none if it holds no model."""
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not NoneType]
    kind = kinds[0] if len(kinds) == 1 else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def digest_of(data: Any) -> str:
    """`sha256:` and the hex digest of the canonical JSON (sorted keys, no spaces) of JSON-typed `data`."""
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return f"sha256:{sha256(canonical.encode()).hexdigest()}"
