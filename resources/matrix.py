"""The matrix variant × seed: its partitions, and which cell of it a run is; it knows no asset and launches nothing.

One matrix holds the variants of all experiments of a home: `experiment/variant` is a row, a seed is a column.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import dagster as dg

VARIANT_DIMENSION, SEED_DIMENSION = "variant", "seed"
JOB = "train_and_eval_variants"
VARIANT_KEYS, SEED_KEYS = "axiom_variant", "axiom_seed"
MATRIX = dg.MultiPartitionsDefinition(
    {
        VARIANT_DIMENSION: dg.DynamicPartitionsDefinition(name=VARIANT_KEYS),
        SEED_DIMENSION: dg.DynamicPartitionsDefinition(name=SEED_KEYS),
    }
)
PARTITION_TAG = "dagster/partition"
# By these people find runs, whether they are in a matrix or not.
EXPERIMENT_TAG, VARIANT_TAG, SEED_TAG = "axiom/experiment", "axiom/variant", "axiom/seed"
PHASE_TAG, ROUND_TAG = "axiom/phase", "axiom/round"  # of a composition, which is their experiment
SPEC_HASH_TAG, LAUNCH_TAG = "axiom/spec_hash", "axiom/launch"


@dataclass(frozen=True)
class Cell:
    """One run's place: a variant of an experiment, with one seed."""

    experiment: str
    variant: str
    seed: int

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> "Cell | None":
        """Where a run with these tags belongs; none for a run that is in no matrix."""
        row, column = (tags.get(f"{PARTITION_TAG}/{each}") for each in (VARIANT_DIMENSION, SEED_DIMENSION))
        if row is None or column is None or not column.isdecimal():
            return None
        experiment, slash, variant = row.partition("/")
        return cls(experiment, variant, int(column)) if slash else None

    @property
    def row(self) -> str:
        """The key of its variant, which no other experiment has."""
        return f"{self.experiment}/{self.variant}"

    @property
    def key(self) -> str:
        """Its partition key."""
        return dg.MultiPartitionKey({VARIANT_DIMENSION: self.row, SEED_DIMENSION: str(self.seed)})

    @property
    def tags(self) -> dict[str, str]:
        """The tags by which Dagster knows that a run is of this partition."""
        dimensions = {VARIANT_DIMENSION: self.row, SEED_DIMENSION: str(self.seed)}
        return {PARTITION_TAG: self.key, **{f"{PARTITION_TAG}/{name}": key for name, key in dimensions.items()}}

    def __str__(self) -> str:
        return f"{self.row} with seed {self.seed}"


def add_cells(instance: dg.DagsterInstance, cells: list[Cell]) -> None:
    """Make rows and columns of these cells; those that are there stay."""
    rows = list(dict.fromkeys(cell.row for cell in cells))
    columns = list(dict.fromkeys(str(cell.seed) for cell in cells))
    _add(instance, VARIANT_KEYS, rows)
    _add(instance, SEED_KEYS, columns)


def _add(instance: dg.DagsterInstance, definition: str, keys: list[str]) -> None:
    """Add what is missing; whoever is overtaken by another launcher between Dagster's look and its insert looks again.

    Each failure means that another launcher has added one of these keys, so it ends.
    """
    from sqlalchemy.exc import IntegrityError

    while set(keys) - set(instance.get_dynamic_partitions(definition)):
        with suppress(IntegrityError):
            instance.add_dynamic_partitions(definition, keys)
