"""Refuses a variant that differs from its baseline in more than one factor; it never changes a spec."""

import dagster as dg

from axiom_dagster.comparison import run_directory_of
from trainer.contract import Problem, Refused, TrainAndEvalSpec, read_manifest
from trainer.contract.difference import NOT_FACTORS, factor_changes


def check_single_factor(spec: TrainAndEvalSpec, instance: dg.DagsterInstance | None = None) -> None:
    """Where the spec asks for it, refuse all but one factor between it and its baseline's training.

    Each changed value is a factor, and each override; `NOT_FACTORS` are none. No factor at all is a repetition, and
    allowed with another seed. Raises `Refused` with every factor; also where the baseline is not found.
    """
    if not spec.controls.single_factor_enforce or spec.controls.baseline is None:
        return
    name = spec.controls.baseline
    baseline = TrainAndEvalSpec.accept(read_manifest(run_directory_of(name, instance).manifest_file("train")).spec)
    found = factor_changes(baseline, spec)
    if len(found) > 1:
        why = (
            f"one of {len(found)} factors that differ from {name}; change one, or unset controls.single_factor_enforce"
        )
        raise Refused(Problem(each.path, each.b, f"was {each.a}: {why}") for each in found)
    if not found and spec.controls.seed == baseline.controls.seed:
        free = ", ".join(NOT_FACTORS)
        why = f"nothing differs from it, and the seed is {spec.controls.seed} in both; of no weight are: {free}"
        raise Refused.one("controls.baseline", name, why)
