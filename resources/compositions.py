"""Which compositions a home has; it runs none.

A composition is declared in the home's `experiments/<name>/composition.json` when it is launched.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

from resources.declarations import FOLDER, keep_sources
from trainer.contract import Refused, write_text
from trainer.contract.composition import Composition, load_composition

FILE = "composition.json"

logger = logging.getLogger(__name__)


def declare(home: Path, composition: Composition) -> Path:
    """Keep it in the home, in the place of an earlier one of this name, with the sources of all imported ops.

    Raises `Refused` where a source is not found here; nothing is written then.
    """
    keep_sources(home, composition.name, composition.specs.values())
    file = home / FOLDER / composition.name / FILE
    write_text(file, json.dumps(composition.plain(), indent=2) + "\n")
    return file


def declared_compositions(home: Path) -> Iterator[Composition]:
    """Every composition of a home, by name. One that this version does not accept is passed over, aloud."""
    for file in sorted((home / FOLDER).glob(f"*/{FILE}")):
        try:
            yield load_composition(file)
        except Refused as refused:
            logger.warning("%s declares no composition that could be run: %s; launch it again", file, refused)
