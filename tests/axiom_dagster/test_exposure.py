"""Only exposed steps can be overridden, by any door, and an override changes nothing else."""

import logging
import re
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

import axiom_dagster
from axiom_dagster import (
    InProcessCompute,
    LocalCompute,
    Refused,
    TrainAndEvalExperiment,
    TrainAndEvalSpec,
    all_runs,
    create_quick_experiment,
)
from axiom_dagster.definitions import defs
from axiom_dagster.overriding import compute_for, functions_of, with_overrides
from resources.exposed_ops import op_resources, resource_classes
from trainer.algorithm.declaration import exposed, train_and_eval
from trainer.pipeline import Pipeline

FAKE = InProcessCompute(module="fake_trainer")
STEPS = [step.path for step in train_and_eval().steps()]
OTHERS = sorted(set(STEPS) - set(exposed()))
MISSPELT = [*(f"{path}s" for path in exposed()), "train.compute_advantag", "Train", "compute-loss", "", "train."]
CHOICE = {"imported": {"target": "mine:op", "params": {"a": 1}}}
JOB = defs.resolve_job_def("train_and_eval")


def mine(given: Any) -> Any:
    return given


def key_of(path: str) -> str:
    return path.rpartition(".")[2]


def from_spec(path: str) -> TrainAndEvalSpec:
    return create_quick_experiment(overrides={path: CHOICE})


def from_resource(path: str) -> TrainAndEvalSpec:
    (kind,) = (each for each in resource_classes().values() if each.path == path)
    return create_quick_experiment(overrides={path: kind(op=CHOICE).choice})


def from_run_config(path: str) -> TrainAndEvalSpec:
    config = {"resources": {key_of(path): {"config": {"op": CHOICE}}}}
    found = dg.validate_run_config(JOB, config)["resources"][key_of(path)]["config"]["op"]
    return create_quick_experiment(overrides={path: found})


def from_pipeline(path: str) -> TrainAndEvalSpec:
    experiment = TrainAndEvalExperiment(create_quick_experiment())
    experiment.pipeline.override(path, axiom_dagster.Imported(**CHOICE["imported"]))
    return with_overrides(experiment.spec, experiment.pipeline, {})


@pytest.mark.parametrize("door", [from_spec, from_resource, from_run_config, from_pipeline])
@pytest.mark.parametrize("path", exposed())
def test_an_override_changes_one_entry_and_nothing_else(path: str, door: Callable[[str], TrainAndEvalSpec]) -> None:
    spec = door(path)
    assert spec.overrides == {path: CHOICE}
    assert {**spec.plain(), "overrides": {}} == create_quick_experiment().plain()
    assert spec.spec_hash == from_spec(path).spec_hash != create_quick_experiment().spec_hash


@pytest.mark.parametrize("path", [*OTHERS, *MISSPELT])
def test_whatever_is_not_exposed_is_refused_with_what_is(path: str) -> None:
    with pytest.raises(Refused) as by_spec:
        from_spec(path)
    with pytest.raises(Refused) as by_pipeline:
        TrainAndEvalExperiment(create_quick_experiment()).pipeline.override(path, mine)
    for refused in (by_spec, by_pipeline):
        words = str(refused.value)
        assert ("is not exposed" in words) == (path in STEPS) != ("there is no such step" in words)
        assert f"allowed: {', '.join(exposed())}" in words
    assert key_of(path) not in op_resources()
    with pytest.raises(dg.DagsterInvalidConfigError, match=re.escape(f'entry "{key_of(path)}" at path root:resources')):
        dg.validate_run_config(JOB, {"resources": {key_of(path): {"config": {"op": CHOICE}}}})


@pytest.mark.parametrize(
    ("given", "meant"),
    [("train.compute_advantag", "train.compute_advantage"), ("train.optimizer.adam", "train.optimizer.adam_step")],
)
def test_a_misspelt_path_is_answered_with_the_nearest(given: str, meant: str) -> None:
    with pytest.raises(Refused, match=f"did you mean '{meant}'"):
        TrainAndEvalExperiment(create_quick_experiment()).pipeline.override(given, mine)


@pytest.fixture
def experiment(home: Any) -> TrainAndEvalExperiment:
    return TrainAndEvalExperiment(create_quick_experiment()).prepare()


def test_a_run_without_changes_has_no_overrides(experiment: TrainAndEvalExperiment) -> None:
    pipeline = experiment._create_pipeline({})
    assert experiment.pipeline is pipeline
    assert experiment.run(compute=FAKE).manifest()["overrides"] == {}


def test_a_pipeline_can_be_overridden_between_runs(experiment: TrainAndEvalExperiment) -> None:
    pipeline = experiment._create_pipeline({})
    plain = experiment.run(compute=FAKE)
    pipeline.override("train.compute_advantage", axiom_dagster.VTrace(rho_clip=2.0))
    first = experiment.run("with_custom_advantage", compute=FAKE)
    pipeline.override("compute_loss", axiom_dagster.A2c())
    second = experiment.run(compute=FAKE)
    found = [list(handle.manifest()["overrides"]) for handle in (plain, first, second)]
    assert found == [[], ["train.compute_advantage"], ["train.compute_advantage", "train.compute_loss"]]
    assert first.tags["axiom/overrides"] == "train.compute_advantage=vtrace"
    assert experiment._create_pipeline({}).overrides() == {}


def test_config_sets_values_before_the_pipeline_is_made(experiment: TrainAndEvalExperiment) -> None:
    config = {
        "trainer.ppo.gamma": 0.5,
        "trainer_config": {"ppo": {"clip_coef": 0.3}, "optimizer.learning_rate": 1e-05},
        "overrides.train.compute_loss": "a2c",
    }
    pipeline = experiment._create_pipeline(config)
    trainer = experiment.spec.trainer
    assert (trainer.ppo.gamma, trainer.ppo.clip_coef, trainer.optimizer.learning_rate) == (0.5, 0.3, 1e-05)
    assert list(pipeline.overrides()) == ["train.compute_loss"]
    with pytest.raises(Refused, match=r"trainer\.ppo\.gama = 0\.5: no such field; did you mean 'gamma'"):
        experiment._create_pipeline({"trainer": {"ppo": {"gama": 0.5}}})
    assert list(experiment.pipeline.overrides()) == ["train.compute_loss"]


def test_an_override_that_came_with_the_spec_stays_as_it_is_there() -> None:
    target = f"{__name__}:mine"
    overrides = {
        "compute_reward": {"imported": {"target": target, "params": {"given": 1}}},
        "policy": {"imported": {"target": target}},
        "compute_loss": "ppo_kl",
    }
    experiment = TrainAndEvalExperiment(create_quick_experiment(overrides=overrides))
    pipeline = experiment.pipeline.override("compute_advantage", axiom_dagster.VTrace())
    spec = with_overrides(experiment.spec, pipeline, experiment._untouched)
    assert {**spec.overrides, "train.compute_advantage": None} == {
        **experiment.spec.overrides,
        "train.compute_advantage": None,
    }
    assert functions_of(spec, pipeline) == {}


def test_a_function_that_exists_here_only_runs_here_or_not_at_all(
    experiment: TrainAndEvalExperiment, caplog: pytest.LogCaptureFixture
) -> None:
    experiment.pipeline.override("compute_reward", lambda earned: 1.0)
    with pytest.raises(Refused) as refused:
        experiment.run(compute=LocalCompute())
    for word in (
        "train.compute_reward",
        "test_exposure:test_a_function",
        "LocalCompute",
        "InProcessCompute()",
        "imported",
    ):
        assert word in str(refused.value)
    assert all_runs() == []
    with caplog.at_level(logging.WARNING):
        result = experiment.run(compute=FAKE)
    assert len([each for each in caplog.messages if "in this process" in each and "compute_reward" in each]) == 1
    manifest = result.manifest()
    assert manifest["overrides"]["train.compute_reward"]["implementation"] == "function"
    assert manifest["pipeline_fingerprint"] == result.manifest("train")["pipeline_fingerprint"]


def test_any_other_compute_is_refused_for_a_function_of_this_process() -> None:
    class Elsewhere:
        def run(self, *given: Any) -> Any:
            raise AssertionError

    with pytest.raises(Refused, match="Elsewhere runs in another"):
        compute_for({"train": lambda job: "x"}, {}, Elsewhere())
    assert compute_for({}, {}, None) is None


def test_a_function_of_a_process_that_is_gone_is_refused_before_a_run_exists(home: Any) -> None:
    gone = {"compute_reward": {"function": {"label": "notebook:mine", "digest": "sha256:1"}}}
    experiment = TrainAndEvalExperiment(create_quick_experiment(overrides=gone)).prepare()
    for _ in range(2):
        with pytest.raises(Refused, match="'notebook:mine': is a function that only the process had"):
            experiment.run(compute=FAKE)
        assert experiment.pipeline.overrides()
    experiment.pipeline.override("compute_reward", lambda earned: 1.0)
    assert experiment.run(compute=FAKE).status == "succeeded"


def test_what_no_spec_can_hold_is_refused(experiment: TrainAndEvalExperiment) -> None:
    experiment.pipeline.override("compute_loss", Pipeline("loss").stage("own", mine))
    with pytest.raises(Refused, match="is a pipeline, which no spec can hold"):
        experiment.run(compute=FAKE)
    experiment._create_pipeline().stage("more", mine)
    with pytest.raises(Refused, match="'more': was added to the experiment's pipeline"):
        experiment.run(compute=FAKE)
    experiment._create_pipeline().override("compute_loss", axiom_dagster.VTrace())
    with pytest.raises(Refused, match=r"train\.compute_loss.*vtrace.*no such implementation"):
        experiment.run(compute=FAKE)
    assert all_runs() == []
