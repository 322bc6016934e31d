"""What a sweep found, as files: the best spec, and in a population how its training came about; it decides nothing."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from axiom_dagster.sweeps.against_base import write_against_base
from trainer.contract import save_experiment_spec, write_text

if TYPE_CHECKING:
    from axiom_dagster.sweeps.search import Search, Trial

BEST, LINEAGE = "best.yaml", "lineage.yaml"


def write_best(search: "Search", folder: Path) -> None:
    """Write the best trial's spec into the sweep's folder, if there is one, and beside it what belongs to it.

    That is its lineage in a population, else what holds it against the base.
    """
    if (best := search.best) is None:
        return
    save_experiment_spec(search.spec(best), folder / BEST)
    write_against_base(search, folder)
    if search.sweep.population is not None:
        text = yaml.safe_dump(lineage(search, best), sort_keys=False, allow_unicode=True)
        write_text(folder / LINEAGE, text)


def lineage(search: "Search", trial: "Trial") -> list[dict[str, Any]]:
    """Each generation of a member's training as plain data, the first one first: whose it was, and its values."""
    return [
        {
            "generation": each.generation,
            "trial": each.name,
            "run": each.ended.run if each.ended else "",
            "agent_steps": each.ended.agent_steps if each.ended else 0,
            "value": each.value,
            "params": dict(each.params),
        }
        for each in search.lineage(trial)
    ]
