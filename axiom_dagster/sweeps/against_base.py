"""What would show that a sweep's best is better: the base and the best over fresh seeds, declared; it runs neither.

Trials share one seed, and the best of many is lucky too: no comparison of them shows anything.
"""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.contract import Arm, Refused, Variants
from trainer.contract.variants_file import load_variants, save_variants

if TYPE_CHECKING:
    from axiom_dagster.sweeps.search import Search

FILE = "against_base.yaml"
SEEDS = 5
MOST_SEED = 2**32
LONGEST = 75  # With its ending it is a name of at most 80.


def against_base(search: "Search") -> Variants | None:
    """The base and the best with seeds that the sweep has not seen; none in a population, or where the two are one."""
    best, sweep = search.best, search.sweep
    if best is None or sweep.population is not None or sweep.spec({}) == search.spec(best):
        return None
    seed = sweep.base.controls.seed
    return Variants(
        name=f"{sweep.name[:LONGEST]}_best",
        description=f"Is {best.name} of the sweep {sweep.name} better than its base?",
        base=sweep.base,
        arms={"base": Arm(), "best": Arm().also(best.params)},
        seeds=tuple((seed + further) % MOST_SEED for further in range(1, SEEDS + 1)),
        single_factor=False,
    )


def write_against_base(search: "Search", folder: Path) -> Path | None:
    """Write it into the sweep's folder; returns the file, if there is one."""
    if (variants := against_base(search)) is None:
        return None
    return save_variants(variants, folder / FILE)


def commands(file: Path) -> tuple[str, str]:
    """What runs such a file, and what then says whether the best is better."""
    variants = load_variants(file)
    several = " --no-single-factor" * (len([*variants.arms["best"].set, *variants.arms["best"].overrides]) > 1)
    return f"axiom run {shlex.quote(str(file))}", f"axiom compare {variants.name}{several}"


def refuse_sweep(experiment: str, home: Path) -> None:
    """Raise `Refused` where the experiment of this name is a sweep, with what can be compared instead."""
    folder = home / "sweeps" / experiment
    if not (folder / "journal.jsonl").is_file():
        return
    why = "is a sweep: its trials share one seed, and the best of many is lucky too, so none is shown to be better; "
    if (folder / FILE).is_file():
        run, compare = commands(folder / FILE)
        raise Refused.one("experiment", experiment, f"{why}what can show it is: {run}, then {compare}")
    raise Refused.one("experiment", experiment, f"{why}declare its values and the base as variants, with several seeds")
