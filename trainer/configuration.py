"""Experiments by name: YAML files composed as Hydra composes them; it never begins a run.

Hydra itself cannot be installed beside Dagster. Of its language this knows what it takes to say an experiment: a
`defaults` list of other files, where each file's content belongs (`# @package`), and interpolation. What it does not
know it refuses.
"""

import posixpath
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from trainer.contract import Refused, RunDirectory, TrainAndEvalSpec, nearest
from trainer.contract.hydra_yaml import RUN_DIR
from trainer.contract.spec_file import set_values
from trainer.contract.trainer_config import GROUPS

CONFIGS = Path("configs")
EXPERIMENTS = "experiments"
SELF, TOP = "_self_", "_global_"
PACKAGE = re.compile(r"\s*#\s*@package\s+(\S+)\s*")
NAME = re.compile(r"/?(?:\.\./)*[\w-]+(?:/[\w-]+)*")


def experiment_spec(name: str, values: Sequence[str] = (), configs: Path = CONFIGS) -> TrainAndEvalSpec:
    """The spec of `<configs>/experiments/<name>.yaml`, with each `path=value` set.

    Files of the `defaults` list are looked for in `configs`, then among the trainer's own. `${run_dir}` stays as it is
    until there is a run. Raises `Refused`.
    """
    composed = Composer((configs, GROUPS)).compose(f"{EXPERIMENTS}/{name}")
    if "run_dir" in composed:
        raise Refused.one("run_dir", str(composed["run_dir"]), "is the run's own directory; leave it out")
    return set_values(TrainAndEvalSpec.accept(_resolved(composed)), values)


def bring_source(name: str, run: RunDirectory, configs: Path = CONFIGS) -> None:
    """Copy the folder `<configs>/experiments/<name>.source`, if there is one, to where the run imports its ops from."""
    folder = configs / EXPERIMENTS / f"{name}.source"
    if folder.is_dir():
        shutil.copytree(folder, run.source, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


@dataclass(frozen=True)
class Piece:
    """One file: what is in it, the place that this has in the whole, and the files that it is composed with."""

    content: DictConfig
    package: str
    defaults: Sequence[Any]

    def placed(self) -> DictConfig:
        """Its content where it belongs."""
        data: Any = self.content
        for part in reversed([] if self.package == TOP else self.package.split(".")):
            data = OmegaConf.create({part: data})
        return data


class Composer:
    """Composes files of some folders; where two have a file of one name, the first folder's counts."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders

    def compose(self, name: str, within: tuple[str, ...] = ()) -> DictConfig:
        """A file merged with those of its `defaults` list, in their order; itself last, unless `_self_` says where."""
        if name in within:
            raise Refused.one("defaults", name, f"includes itself: {' → '.join((*within, name))}")
        piece = _read(self._find(name, within))
        whole = OmegaConf.create({})
        for entry in piece.defaults if SELF in piece.defaults else [*piece.defaults, SELF]:
            part = piece.placed() if entry == SELF else self.compose(_target(entry, name), (*within, name))
            whole = cast("DictConfig", OmegaConf.merge(whole, part))
        return whole

    def _find(self, name: str, within: tuple[str, ...]) -> Path:
        for folder in self._folders:
            if (file := folder / f"{name}.yaml").is_file():
                return file
        group = posixpath.dirname(name)
        known = {file.stem for folder in self._folders for file in (folder / group).glob("*.yaml")}
        where = f"defaults of {within[-1]}" if within else "+experiments"
        folders = " or ".join(str(folder.absolute()) for folder in self._folders)
        why = f"no file {name}.yaml in {folders}; in {group or 'them'}: {nearest(posixpath.basename(name), known)}"
        raise Refused.one(where, name, why)


def _read(file: Path) -> Piece:
    try:
        content = OmegaConf.load(file)
        text = file.read_text(encoding="utf-8")
    except (YAMLError, OmegaConfBaseException, UnicodeDecodeError) as error:
        raise Refused.one("experiment", str(file), f"not YAML: {error}") from None
    if not isinstance(content, DictConfig):
        raise Refused.one("experiment", str(file), "must hold fields (`name: value`), not a list or a single value")
    defaults = content.pop("defaults", [])
    if not isinstance(defaults, ListConfig | list):
        raise Refused.one(f"{file}: defaults", str(defaults), "must be a list of files")
    return Piece(content, _package(file, text), list(defaults))


def _package(file: Path, text: str) -> str:
    """Where a file says that its content belongs; without a word, Hydra's answer would depend on who includes it."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    if (found := PACKAGE.fullmatch(first)) is None:
        why = f"must begin with a line `# @package {TOP}`, or the name of the field that its content belongs to"
        raise Refused.one(f"{file}: first line", first, why)
    return found[1]


def _target(entry: Any, name: str) -> str:
    """The file that an entry of the `defaults` list of the file `name` means."""
    given = "/".join(map(str, *entry.items())) if isinstance(entry, Mapping) and len(entry) == 1 else entry
    if not isinstance(given, str) or not NAME.fullmatch(given):
        why = "is not known here; an entry is `_self_`, `group/file`, `../group/file`, `/group/file` or `group: file`"
        raise Refused.one(f"defaults of {name}", str(entry), why)
    folder = "/" if given.startswith("/") else f"/{posixpath.dirname(name)}"
    return posixpath.normpath(posixpath.join(folder, given)).lstrip("/")


def _resolved(composed: DictConfig) -> Any:
    """Plain data, every interpolation filled in but the run directory, which the spec leaves open."""
    composed["run_dir"] = f"\\{RUN_DIR}"
    try:
        plain = cast("dict[str, Any]", OmegaConf.to_container(composed, resolve=True))
    except OmegaConfBaseException as error:
        words = str(error).splitlines()[0]
        raise Refused.one(str(error.full_key), "${…}", f"cannot be filled in: {words}") from None
    del plain["run_dir"]
    return plain
