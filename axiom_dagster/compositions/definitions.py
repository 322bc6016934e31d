"""The assets, checks and the job of a composition, from its declaration; they are built here and run nowhere."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from assets.analyze import analyze_asset
from assets.checks import ANALYZE_CHECKS, BEGUN_CHECKS, EVALUATE_CHECKS, TRAIN_CHECKS, Check, stage_checks
from assets.evaluate import evaluate_asset
from assets.phase import PhaseOf
from assets.train import train_asset
from trainer.contract.composition import Composition

STAGES = ("train", "evaluate", "analyze")


def job_name(composition: Composition) -> str:
    """The name of its job."""
    return f"composition_{composition.name}"


def phases_of(composition: Composition) -> list[PhaseOf]:
    """Its phases, in order."""
    return [PhaseOf(composition, name) for name in composition.phases]


def assets_of(composition: Composition) -> list[dg.AssetsDefinition]:
    """Of each phase what trains, what evaluates and what analyzes."""
    return [
        asset
        for phase in phases_of(composition)
        for asset in (train_asset(phase=phase), evaluate_asset(shape=phase.shape), analyze_asset(shape=phase.shape))
    ]


def checks_of(composition: Composition) -> list[dg.AssetChecksDefinition]:
    """The checks on them."""
    return [
        stage_checks(stage, checks, phase.shape)
        for phase in phases_of(composition)
        for stage, checks in _checks(phase).items()
    ]


def job_of(composition: Composition) -> Any:
    """The job of all its phases, which runs each of them once, where its conditions hold."""
    return dg.define_asset_job(  # pyright: ignore[reportUnknownMemberType]
        job_name(composition),
        selection=dg.AssetSelection.assets(*(key for phase in phases_of(composition) for key in keys_of(phase))),
        description=composition.description or f"The phases of {composition.name}: {', '.join(composition.phases)}.",
        executor_def=dg.in_process_executor,
    )


def keys_of(phase: PhaseOf) -> Sequence[dg.AssetKey]:
    """The keys of one phase's assets."""
    return [phase.shape.key(stage) for stage in STAGES]


def _checks(phase: PhaseOf) -> Mapping[str, Mapping[str, Check]]:
    train = BEGUN_CHECKS if phase.begins_with or phase.phase.rounds > 1 else TRAIN_CHECKS
    return {"train": train, "evaluate": EVALUATE_CHECKS, "analyze": ANALYZE_CHECKS}
