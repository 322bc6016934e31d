"""The spec's fields as a Markdown page, made from the spec itself, so that the page cannot say anything else."""

import json
from collections.abc import Iterator
from typing import Any, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from resources.typed_config import describe
from trainer.contract import TrainAndEvalSpec
from trainer.plain.model import model_in

HEAD = """# The spec, field by field

Made by `axiom spec reference`; a test compares. Every path can be set: `axiom run arena --set PATH=VALUE`.
"""


def reference() -> str:
    """The page: a table for each group of fields, their paths as `--set` takes them."""
    return "\n".join([HEAD, *_tables(TrainAndEvalSpec, "")]) + "\n"


def _tables(model: type[BaseModel], path: str) -> Iterator[str]:
    groups = {name: kind for name, field in model.model_fields.items() if (kind := model_in(field.annotation))}
    rows = [_row(path + name, field) for name, field in model.model_fields.items() if name not in groups]
    title = f"`{path.rstrip('.')}`" if path else "The experiment"
    summary = (model.__doc__ or "").strip().replace("\n    ", "\n")
    yield f"## {title}\n\n{summary}\n"
    if rows:
        yield "| path | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    for name, kind in groups.items():
        yield from _tables(kind, f"{path}{name}.")


def _row(path: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else f"`{json.dumps(_plain(field.get_default()))}`"
    choices = cast("tuple[Any, ...]", getattr(field.annotation, "__args__", ()))
    allowed = [f"`{choice}`" for choice in choices if isinstance(choice, str)]
    meaning = describe(field) + (f" One of {', '.join(allowed)}." if allowed else "")
    return f"| `{path}` | {default} | {meaning.replace('|', '/')} |"


def _plain(value: Any) -> Any:
    return list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value
