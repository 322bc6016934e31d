"""Specs as files: YAML or JSON, read and written exactly; and single values set by their path."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from trainer.algorithm.overrides import imported_sources
from trainer.contract.hydra_yaml import hydra_file, hydra_text
from trainer.contract.resume import copy_begun, run_to_resume
from trainer.contract.run_directory import RunDirectory, atomic_file, write_text
from trainer.contract.spec import TrainAndEvalSpec, default_simulations
from trainer.plain.model import FrozenModel, model_in
from trainer.plain.refusal import Refused, nearest


def save_experiment_spec(spec: TrainAndEvalSpec, path: str | Path) -> Path:
    """Write the full spec to a `.yaml`, `.yml` or `.json` file; reading it back gives an equal spec.

    So does composing the YAML by Hydra: raises `Refused` for text that would mean something else there.
    """
    path = Path(path)
    _refuse_other_endings(path)
    text = json.dumps(spec.plain(), indent=2) + "\n" if path.suffix == ".json" else hydra_file(spec.plain())
    write_text(path, text)
    return path


def save_declaration(declared: FrozenModel, path: str | Path, word: str) -> Path:
    """Write variants, a sweep or a composition to a `.yaml`, `.yml` or `.json` file; reading it back gives its equal.

    Raises `Refused`, naming the declaration by `word`, where the file ends otherwise.
    """
    path = Path(path)
    _refuse_other_endings(path, word)
    data = declared.plain()
    write_text(path, json.dumps(data, indent=2) + "\n" if path.suffix == ".json" else hydra_text(data))
    return path


def begin_run(spec: TrainAndEvalSpec, run: RunDirectory, repeats: RunDirectory | None = None) -> None:
    """Write what a run starts from: the source files of its imported ops, then `run.yaml`.

    A run that `repeats` another one begins with the very checkpoint that the other began with. Raises `Refused` where
    an imported module, or the run of `resume_from`, is not found; nothing is written then.
    """
    if repeats is None and spec.resume_from is not None:
        run_to_resume(spec.resume_from, run.path.parent)
    sources = imported_sources(spec.overrides)
    if repeats is not None:
        copy_begun(repeats, run)
    for place, file in sources.items():
        with atomic_file(run.source / place) as temporary:
            temporary.write_bytes(file.read_bytes())
    save_experiment_spec(spec, run.spec_file)


def load_experiment_spec(path: str | Path) -> TrainAndEvalSpec:
    """Read a spec; raises `Refused` with file, path and value of all that is wrong. Missing fields get defaults."""
    return TrainAndEvalSpec.accept(read_spec_data(path))


def read_spec_data(path: str | Path) -> Any:
    """What a spec file holds, as data that nobody has looked at; raises `Refused` where it cannot be read."""
    path = Path(path)
    _refuse_other_endings(path)
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except FileNotFoundError:
        raise Refused.one("spec", str(path), "no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Refused.one("spec", str(path), f"cannot be read: {error}") from None
    except (yaml.YAMLError, json.JSONDecodeError) as error:
        raise Refused.one("spec", str(path), f"not {path.suffix[1:].upper()}: {error}") from None


def spec_yaml(spec: FrozenModel) -> str:
    """A spec as YAML text, fields in the order of their definition; ASCII, since YAML folds some characters else."""
    return hydra_text(spec.plain())


def set_values(spec: TrainAndEvalSpec, assignments: Iterable[str]) -> TrainAndEvalSpec:
    """A copy of `spec` with each `path=value` set; the value is YAML, the path dotted (`trainer.ppo.gamma=0.9`).

    Simulations that were derived from the training environment follow it.
    """
    return with_values_at(spec, map(_read_assignment, assignments))


def with_values_at(spec: TrainAndEvalSpec, values: Iterable[tuple[str, Any]]) -> TrainAndEvalSpec:
    """The same with values that are data, each with its path."""
    data = spec.plain()
    if spec.eval_configs == default_simulations(spec.trainer.curriculum.env):
        data["eval_configs"] = {}
    for path, value in values:
        _assign(data, path, value)
    return TrainAndEvalSpec.accept(data)


def _read_assignment(assignment: str) -> tuple[str, Any]:
    path, equals, text = assignment.partition("=")
    if not equals:
        raise Refused.one("--set", assignment, "not of the form path=value")
    try:
        return path, yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Refused.one(path, text, f"not a YAML value: {error}") from None


def _assign(data: dict[str, Any], path: str, value: Any) -> None:
    *parents, (last, _) = _canonical(path, value)
    for part, is_model in parents:
        if is_model and data.get(part) is None:
            data[part] = {}
        if not isinstance(data.get(part), Mapping):
            raise Refused.one(path, value, f"{part!r} holds {data.get(part)!r}, which has no fields of its own")
        data = data[part]
    data[last] = value


def _canonical(path: str, value: Any) -> list[tuple[str, bool]]:
    """The path's parts with long names replaced, each checked against the model that it enters; which hold models."""
    model: type[BaseModel] | None = TrainAndEvalSpec
    parts: list[tuple[str, bool]] = []
    for given in path.split("."):
        if model is None or not issubclass(model, FrozenModel):
            parts.append((given, False))
            continue
        name = model.long_names.get(given, given)
        if name not in model.model_fields:
            where = ".".join([*(part for part, _ in parts), name])
            raise Refused.one(where, value, f"no such field; {nearest(name, model.model_fields)}")
        model = model_in(model.model_fields[name].annotation)
        parts.append((name, model is not None))
    return parts


def _refuse_other_endings(path: Path, word: str = "spec") -> None:
    if path.suffix not in (".yaml", ".yml", ".json"):
        raise Refused.one(word, str(path), f"a {word} file ends in .yaml, .yml or .json")
