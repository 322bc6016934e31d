"""Which runs of two variants may be held against each other: of one seed, in one environment; it compares no score."""

from collections.abc import Mapping

from assets.report.variants import Variant


def pairs_of(arm: Mapping[int, float], base: Mapping[int, float]) -> list[int]:
    """The seeds by which two arms are paired; none where too few are shared and both have runs enough without."""
    from assets.statistics.verdicts import LEAST

    shared = sorted(arm.keys() & base.keys())
    return shared if len(shared) >= LEAST or min(len(arm), len(base)) < LEAST else []


def same_simulation(name: str, *variants: Variant) -> bool:
    """Whether the simulation of this name is one environment for all of these variants."""
    configs = [variant.records[0].spec.eval_configs.get(name) for variant in variants]
    return all(config == configs[0] for config in configs)
