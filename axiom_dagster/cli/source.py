"""Where a spec comes from: a preset's name, a spec file, or a recipe; it refuses, and never runs what it read."""

import runpy
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from pathlib import Path
from traceback import extract_tb
from typing import Any

from pydantic import ValidationError

from trainer.contract import (
    Refused,
    TrainAndEvalSpec,
    create_experiment,
    create_quick_experiment,
    load_experiment_spec,
    nearest,
    set_values,
)
from trainer.contract.override_text import set_overrides
from trainer.contract.run_directory import imported_first

PRESETS: dict[str, Callable[[], TrainAndEvalSpec]] = {"arena": create_experiment, "quick": create_quick_experiment}


def spec_from(source: str, assignments: Iterable[str] = (), overrides: Iterable[str] = ()) -> TrainAndEvalSpec:
    """The spec that `source` names, with each `path=value` set, then each `path=implementation` overridden."""
    return set_overrides(set_values(_read(source), assignments), overrides)


def _read(source: str) -> TrainAndEvalSpec:
    if source in PRESETS:
        return PRESETS[source]()
    path = Path(source)
    if path.suffix in (".yaml", ".yml", ".json"):
        return load_experiment_spec(path)
    if path.suffix == ".py":
        return _spec_of_recipe(path)
    raise Refused.one(
        "SPEC",
        source,
        f"is neither a spec file (.yaml, .yml, .json) nor a recipe (.py) nor a preset; {nearest(source, PRESETS)}",
    )


def _spec_of_recipe(path: Path) -> TrainAndEvalSpec:
    """What the recipe's `spec` is, or its `create()` returns."""
    if not path.is_file():
        raise Refused.one("recipe", str(path), "no such file")
    spec = _run_recipe(path)
    if not isinstance(spec, TrainAndEvalSpec):
        raise Refused.one(
            "recipe", str(path), "defines neither `spec` nor `create()` with a TrainAndEvalSpec; write one of them"
        )
    return spec


def _run_recipe(path: Path) -> Any:
    # A recipe may import its neighbours, as when it is run with `python`. Standard output is for answers.
    try:
        with imported_first(path.parent.absolute()), redirect_stdout(sys.stderr):
            names = runpy.run_path(str(path), run_name="recipe")
            return names["create"]() if "spec" not in names and callable(names.get("create")) else names.get("spec")
    except Refused:
        raise
    except ValidationError as error:
        raise Refused.from_validation(error, error.title) from None
    except Exception as error:
        line = next((f.lineno for f in reversed(extract_tb(error.__traceback__)) if f.filename == str(path)), "?")
        raise Refused.one("recipe", str(path), f"line {line}: {type(error).__name__}: {error}") from error
