"""Where an experiment comes from: a preset's name, a spec file, or a recipe; it never runs what it read."""

import runpy
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from trainer.contract import PRESETS, Refused, TrainAndEvalSpec, Variants, load_experiment, nearest, set_values
from trainer.contract.override_text import set_overrides
from trainer.contract.run_directory import imported_first

if TYPE_CHECKING:
    from trainer.contract.composition import Composition

ExperimentT = TypeVar("ExperimentT", bound="TrainAndEvalSpec | Variants | Composition")


def spec_from(source: str, assignments: Iterable[str] = (), overrides: Iterable[str] = ()) -> TrainAndEvalSpec:
    """The one spec that `source` names; refused where it declares many runs."""
    found = experiment_from(source, assignments, overrides)
    if not isinstance(found, TrainAndEvalSpec):
        raise Refused.one("SPEC", source, "declares an experiment of many runs, and this takes one spec")
    return found


def experiment_from(
    source: str, assignments: Iterable[str] = (), overrides: Iterable[str] = ()
) -> "TrainAndEvalSpec | Variants | Composition":
    """The spec that `source` names, with each `path=value` set, then each `path=implementation` overridden.

    Or the many runs that it declares: then both are done to what they have in common.
    """
    return with_base(_read(source), lambda base: set_overrides(set_values(base, assignments), overrides))


def with_base(experiment: ExperimentT, change: Callable[[TrainAndEvalSpec], TrainAndEvalSpec]) -> ExperimentT:
    """The spec changed; of an experiment of many runs, what all of them share."""
    if isinstance(experiment, TrainAndEvalSpec):
        return change(experiment)
    return type(experiment).accept({**experiment.plain(), "base": change(experiment.base)})


def _read(source: str) -> "TrainAndEvalSpec | Variants | Composition":
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


def _spec_of_recipe(path: Path) -> "TrainAndEvalSpec | Variants | Composition":
    """What the recipe's `spec` or `composition` is, or its `create()` returns."""
    # Here and not above: whoever runs a spec need not wait for it.
    from trainer.contract.composition import Composition

    if not path.is_file():
        raise Refused.one("recipe", str(path), "no such file")
    spec = recipe_result(path, "spec", "composition")
    if not isinstance(spec, TrainAndEvalSpec | Variants | Composition):
        raise Refused.one(
            "recipe",
            str(path),
            "defines neither `spec` nor `create()` nor `composition` with a TrainAndEvalSpec, Variants or Composition; "
            "write one of them",
        )
    return spec


def recipe_result(path: Path, *wanted: str) -> Any:
    """The recipe's value of one of these names, else what its `create()` returns; raises `Refused` if it fails.

    Its folder can be imported from then on, after all else: an experiment may name the ops of its own recipe.
    """
    folder = path.parent.absolute()
    # A recipe may import its neighbours, as when it is run with `python`. Standard output is for answers.
    try:
        with imported_first(folder), redirect_stdout(sys.stderr):
            names = runpy.run_path(str(path), run_name="recipe")
            found = next((names[name] for name in wanted if name in names), None)
            result = names["create"]() if found is None and callable(names.get("create")) else found
    except Refused:
        raise
    except ValidationError as error:
        raise Refused.from_validation(error, error.title) from None
    except Exception as error:
        line = next((f.lineno for f in reversed(extract_tb(error.__traceback__)) if f.filename == str(path)), "?")
        raise Refused.one("recipe", str(path), f"line {line}: {type(error).__name__}: {error}") from error
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return result
