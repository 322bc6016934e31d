"""What the home's experiments of many runs were declared as: every run's spec by variant and seed; it runs none.

A run of the matrix has no config: all that it is told, by a backfill from the UI too, is its partition's key. The rest
is in the home's `experiments/<name>/declaration.json`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.matrix import Cell
from trainer.algorithm.overrides import imported_sources
from trainer.contract import Refused, TrainAndEvalSpec, VariantRun, Variants, atomic_file, nearest, write_text
from trainer.contract.run_directory import imported_first

FOLDER, FILE = "experiments", "declaration.json"


@dataclass(frozen=True)
class Declaration:
    """An experiment as it was last launched: its runs, and the `Variants` that they came of, if they came of any."""

    name: str
    runs: Sequence[VariantRun]
    variants: Variants | None = None

    def write(self, home: Path) -> Path:
        """Keep it in the home, in the place of an earlier one of this name, with the sources of all imported ops.

        Raises `Refused` where a source is not found here; nothing is written then.
        """
        keep_sources(home, self.name, [run.spec for run in self.runs])
        runs = [{**run.plain(), "spec_hash": run.spec.spec_hash} for run in self.runs]
        data = {"name": self.name, "variants": self.variants.plain() if self.variants else None, "runs": runs}
        write_text(_file(home, self.name), json.dumps(data) + "\n")
        return _file(home, self.name)


def keep_sources(home: Path, name: str, specs: Iterable[TrainAndEvalSpec]) -> None:
    """Keep the sources of all imported ops as they are now; raises `Refused` before it writes if one is not found."""
    sources = {place: file for spec in specs for place, file in imported_sources(spec.overrides).items()}
    for place, file in sources.items():
        with atomic_file(_source(home, name) / place) as temporary:
            temporary.write_bytes(file.read_bytes())


def read_declaration(home: Path, name: str) -> Declaration:
    """The experiment of this name; raises `Refused` where the home has none."""
    data = _read(home, name)
    variants = None if data["variants"] is None else Variants.accept(data["variants"])
    runs = [VariantRun.accept({key: run[key] for key in ("variant", "seed", "spec")}) for run in data["runs"]]
    return Declaration(name, tuple(runs), variants)


def declared_spec(home: Path, cell: Cell) -> TrainAndEvalSpec:
    """The spec of one run; raises `Refused` where its experiment is not declared, or declares no such run."""
    for run in (runs := _read(home, cell.experiment)["runs"]):
        if (run["variant"], run["seed"]) == (cell.variant, cell.seed):
            return TrainAndEvalSpec.accept(run["spec"])
    declared = [f"{run['variant']} with seed {run['seed']}" for run in runs]
    raise Refused.one(
        "partition",
        str(cell),
        f"{cell.experiment} declares no such run; {nearest(str(cell).partition('/')[2], declared)}",
    )


def declared_sources_first(home: Path, name: str) -> AbstractContextManager[None]:
    """While the block runs, modules are imported as they were when the experiment was launched."""
    return imported_first(_source(home, name))


def declared_variants(home: Path, name: str) -> list[str]:
    """The variants of an experiment in the order of its declaration; none where it is no experiment of many runs."""
    return (
        list(dict.fromkeys(run["variant"] for run in _read(home, name)["runs"])) if _file(home, name).exists() else []
    )


def declared_experiments(home: Path) -> list[str]:
    """The names of all experiments of many runs of a home."""
    return sorted(file.parent.name for file in (home / FOLDER).glob(f"*/{FILE}"))


def _read(home: Path, name: str) -> Mapping[str, Any]:
    try:
        return json.loads(_file(home, name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = nearest(name, declared_experiments(home))
        raise Refused.one("experiment", name, f"no experiment of many runs has this name here; {known}") from None
    except ValueError as error:
        raise Refused.one("experiment", str(_file(home, name)), f"not JSON: {error}; launch it again") from None


def _file(home: Path, name: str) -> Path:
    return home / FOLDER / name / FILE


def _source(home: Path, name: str) -> Path:
    return home / FOLDER / name / "source"
