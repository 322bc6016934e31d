"""The tags by which people and Dagster's run queue find a run: what it is, never how it went."""

from collections.abc import Mapping
from typing import Any

from assets.overridden import tag_of
from resources.compute import kind_of
from resources.manifest_store import INSTANCE_NAME_TAG
from resources.matrix import EXPERIMENT_TAG, PHASE_TAG, SEED_TAG, SPEC_HASH_TAG, VARIANT_TAG, Cell
from trainer.contract import RunDirectory, TrainAndEvalSpec, digest_of
from trainer.contract.difference import NOT_FACTORS

COMPUTE_TAG = "axiom/compute"
NOTHING_OVERRIDDEN = "base"
LONGEST_WORD = 40


def run_tags(spec: TrainAndEvalSpec, run: RunDirectory, compute: Any, given: Mapping[str, str]) -> dict[str, str]:
    """Of a run of this spec, in this directory, on this compute; `given` are the tags that it was launched with.

    A run of a matrix is of the experiment and the variant that its partition says, a phase's of its composition.
    Another's variant, if it was given one, stays. Where Dagster copied the tags of a run of another spec, it speaks of
    that one.
    """
    kind, spec_hash = kind_of(compute), spec.spec_hash.removeprefix("sha256:")
    cell, copied = Cell.of(given), given.get(SPEC_HASH_TAG, spec_hash) != spec_hash
    own = variant_of(spec) if copied or VARIANT_TAG not in given else given[VARIANT_TAG]
    return {
        EXPERIMENT_TAG: cell.experiment if cell else given[EXPERIMENT_TAG] if PHASE_TAG in given else spec.name,
        INSTANCE_NAME_TAG: run.instance_name,
        SPEC_HASH_TAG: spec_hash,
        SEED_TAG: str(spec.controls.seed),
        VARIANT_TAG: cell.variant if cell else own,
        **({COMPUTE_TAG: kind} if kind else {}),
        **tag_of(spec),
    }


def variant_of(spec: TrainAndEvalSpec) -> str:
    """`vtrace-3f9c21`: what is overridden (`base`: nothing), and the beginning of a digest of all that is a factor.

    Runs that differ in nothing but what `NOT_FACTORS` names, such as the seed, are of one variant.
    """
    return f"{_word(spec)}-{digest_of(_factors(spec.plain())).removeprefix('sha256:')[:6]}"


def _word(spec: TrainAndEvalSpec) -> str:
    names = (_name(name, params) for choice in spec.overrides.values() for name, params in choice.items())
    return "+".join(names)[:LONGEST_WORD] or NOTHING_OVERRIDDEN


def _name(name: str, params: Mapping[str, Any]) -> str:
    """An op's name; of one of a user's own, that of the function."""
    return str(params.get("target", name)).rpartition(":")[2]


def _factors(data: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    return {
        name: _factors(value, f"{path}{name}.") if isinstance(value, dict) else value  # pyright: ignore[reportUnknownArgumentType]
        for name, value in data.items()
        if f"{path}{name}" not in NOT_FACTORS
    }
