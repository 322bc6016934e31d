"""Where an experiment comes from: a preset's name, a spec file, or a recipe; it never runs what it read."""

import runpy
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path
from traceback import extract_tb
from typing import Any

from pydantic import ValidationError

from trainer.contract import PRESETS, Refused, TrainAndEvalSpec, Variants, load_experiment, nearest, set_values
from trainer.contract.override_text import set_overrides
from trainer.contract.run_directory import imported_first


def spec_from(source: str, assignments: Iterable[str] = (), overrides: Iterable[str] = ()) -> TrainAndEvalSpec:
    """The one spec that `source` names; refused where it declares many runs."""
    found = experiment_from(source, assignments, overrides)
    if isinstance(found, Variants):
        raise Refused.one("SPEC", source, "declares an experiment of many runs, and this takes one spec")
    return found


def experiment_from(
    source: str, assignments: Iterable[str] = (), overrides: Iterable[str] = ()
) -> TrainAndEvalSpec | Variants:
    """The spec that `source` names, with each `path=value` set, then each `path=implementation` overridden.

    Or the many runs that it declares: then both are done to what they have in common.
    """
    found = _read(source)
    base = found.base if isinstance(found, Variants) else found
    changed = set_overrides(set_values(base, assignments), overrides)
    return Variants.accept({**found.plain(), "base": changed}) if isinstance(found, Variants) else changed


def _read(source: str) -> TrainAndEvalSpec | Variants:
    if source in PRESETS:
        return PRESETS[source]()
    path = Path(source)
    if path.suffix in (".yaml", ".yml", ".json"):
        return load_experiment(path)
    if path.suffix == ".py":
        return _spec_of_recipe(path)
    raise Refused.one(
        "SPEC",
        source,
        f"is neither a spec file (.yaml, .yml, .json) nor a recipe (.py) nor a preset; {nearest(source, PRESETS)}",
    )


def _spec_of_recipe(path: Path) -> TrainAndEvalSpec | Variants:
    """What the recipe's `spec` is, or its `create()` returns."""
    if not path.is_file():
        raise Refused.one("recipe", str(path), "no such file")
    spec = recipe_result(path)
    if not isinstance(spec, TrainAndEvalSpec | Variants):
        raise Refused.one(
            "recipe",
            str(path),
            "defines neither `spec` nor `create()` with a TrainAndEvalSpec or Variants; write one of them",
        )
    return spec


def recipe_result(path: Path, name: str = "spec") -> Any:
    """What the recipe's value of this name is, or its `create()` returns; raises `Refused` where it cannot be run."""
    # A recipe may import its neighbours, as when it is run with `python`. Standard output is for answers.
    try:
        with imported_first(path.parent.absolute()), redirect_stdout(sys.stderr):
            names = runpy.run_path(str(path), run_name="recipe")
            return names["create"]() if name not in names and callable(names.get("create")) else names.get(name)
    except Refused:
        raise
    except ValidationError as error:
        raise Refused.from_validation(error, error.title) from None
    except Exception as error:
        line = next((f.lineno for f in reversed(extract_tb(error.__traceback__)) if f.filename == str(path)), "?")
        raise Refused.one("recipe", str(path), f"line {line}: {type(error).__name__}: {error}") from error
