"""Runs are found by their tags: seeds of one variant share its word, and a word that someone gave stays."""

from pathlib import Path

import pytest

from assets.run_tags import run_tags, variant_of
from resources.compute import ComputeResource
from resources.in_process_compute import FunctionsCompute, InProcessCompute
from resources.local_compute import LocalCompute
from resources.skypilot.compute import SkyPilotCompute
from trainer.contract import RunDirectory, TrainAndEvalSpec, create_quick_experiment

SPEC = create_quick_experiment()
RUN = RunDirectory(Path("/runs/quick-1"))


def changed(**values) -> TrainAndEvalSpec:
    return TrainAndEvalSpec.accept({**SPEC.plain(), **values})


def test_another_seed_name_or_log_is_the_same_variant() -> None:
    again = changed(name="again", controls={**SPEC.controls.plain(), "seed": 9}, description="x")
    assert variant_of(again) == variant_of(SPEC)
    assert variant_of(SPEC).startswith("base-") and len(variant_of(SPEC)) == len("base-") + 6


def test_any_factor_is_another_variant_and_overrides_name_it() -> None:
    longer = changed(trainer={**SPEC.trainer.plain(), "total_timesteps": 2 * SPEC.trainer.total_timesteps})
    vtrace = changed(overrides={"train.compute_advantage": {"vtrace": {}}})
    clipped = changed(overrides={"train.compute_advantage": {"vtrace": {"rho_clip": 2.0}}})
    own = changed(overrides={"train.compute_advantage": {"imported": {"target": "my.ops:mean_return"}}})
    words = [variant_of(spec) for spec in (SPEC, longer, vtrace, clipped, own)]
    assert len(set(words)) == 5
    assert [word.rpartition("-")[0] for word in words] == ["base", "base", "vtrace", "vtrace", "mean_return"]


def test_a_variant_that_was_given_stays_unless_it_was_copied_from_a_run_of_another_spec() -> None:
    own = SPEC.spec_hash.removeprefix("sha256:")
    for given, variant in (
        ({}, variant_of(SPEC)),
        ({"axiom/variant": "control"}, "control"),
        ({"axiom/variant": "control", "axiom/spec_hash": own}, "control"),
        ({"axiom/variant": "control", "axiom/spec_hash": "0" * 64}, variant_of(SPEC)),
    ):
        assert run_tags(SPEC, RUN, LocalCompute(), given)["axiom/variant"] == variant


@pytest.mark.parametrize(
    ("compute", "kind"),
    [
        (ComputeResource(), "local"),
        (ComputeResource(backend=SkyPilotCompute()), "skypilot"),
        (InProcessCompute(), "in_process"),
        (FunctionsCompute({}, InProcessCompute()), "in_process"),
        (object(), None),
    ],
    ids=["default", "rented", "in process", "functions", "unknown"],
)
def test_the_tag_of_the_compute_is_its_name_in_the_launchpad(compute, kind: str | None) -> None:
    assert run_tags(SPEC, RUN, compute, {}).get("axiom/compute") == kind
