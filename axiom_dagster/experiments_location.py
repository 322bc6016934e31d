"""The code location of experiments of many runs: the stages as a matrix of variant × seed, and those of compositions.

A location of its own, so that all assets of the other one are materialized together without a word about partitions.
A composition that was launched for the first time is here when the location is loaded again.
"""

from pathlib import Path

import dagster as dg

from assets.analyze import analyze_asset
from assets.checks import ANALYZE_CHECKS, EVALUATE_CHECKS, TRAIN_CHECKS, stage_checks
from assets.evaluate import evaluate_asset
from assets.shape import VARIANTS
from assets.train import train_asset

# The module and not its `defs`: Dagster refuses a module with two of them.
from axiom_dagster import definitions
from axiom_dagster.compositions.definitions import assets_of, checks_of, job_of
from axiom_dagster.source_links import linked
from resources.compositions import declared_compositions
from resources.home import axiom_home
from resources.matrix import JOB

train_and_eval_variants = dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
    JOB,
    selection=dg.AssetSelection.assets(*map(VARIANTS.key, definitions.STAGES)),
    description="One run of an experiment of many: train, evaluate and analyze a variant with one seed, as declared.",
    executor_def=dg.in_process_executor,
)


def location(home: Path) -> dg.Definitions:
    """All of it: the matrix, and each composition that is declared in this home now."""
    compositions = list(declared_compositions(home))
    matrix = [train_asset(shape=VARIANTS), evaluate_asset(shape=VARIANTS), analyze_asset(shape=VARIANTS)]
    return dg.Definitions(
        assets=linked([*matrix, *(asset for each in compositions for asset in assets_of(each))]),
        asset_checks=[
            stage_checks("train", TRAIN_CHECKS, VARIANTS),
            stage_checks("evaluate", EVALUATE_CHECKS, VARIANTS),
            stage_checks("analyze", ANALYZE_CHECKS, VARIANTS),
            *(check for each in compositions for check in checks_of(each)),
        ],
        jobs=[train_and_eval_variants, *map(job_of, compositions)],
        resources=definitions.defs.resources,
        executor=dg.in_process_executor,
    )


defs = location(axiom_home())
