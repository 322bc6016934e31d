"""The shapes in which every stage exists: alone, as a matrix of variant × seed, as a phase; never what a stage does."""

from dataclasses import dataclass
from typing import Any

import dagster as dg

from resources.matrix import MATRIX


@dataclass(frozen=True)
class Shape:
    """Where the stages' assets stand: under a prefix, in a group, with partitions or without."""

    prefix: tuple[str, ...]
    group: str
    partitions: dg.PartitionsDefinition[Any] | None = None

    def key(self, name: str) -> dg.AssetKey:
        """The key of the stage's asset."""
        return dg.AssetKey([*self.prefix, name])

    def named(self, name: str) -> str:
        """A name for a definition of this shape, which the other shape's has not."""
        return "_".join([*self.prefix, name])


ALONE = Shape((), "experiment")
VARIANTS = Shape(("variants",), "variants", MATRIX)


def of_phase(composition: str, phase: str) -> Shape:
    """The stages of one phase of a composition, in a group of their own: by it the graph says which phase they are."""
    return Shape((composition, phase), f"{composition}_{phase}")
