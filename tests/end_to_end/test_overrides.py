"""Real trainings with swapped ops: every door gives the same run, and one's own ops run where they can."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.launchpad import run_config_of
from axiom_dagster import (
    Adam,
    ComputeAdvantage,
    Gae,
    Imported,
    InProcessCompute,
    LocalCompute,
    RunHandle,
    TrainAndEvalExperiment,
    TrainAndEvalSpec,
    VTrace,
)
from axiom_dagster.definitions import defs
from resources.home import dagster_instance
from trainer.pipeline import HookInfo

CARTPOLE: dict[str, Any] = {
    "name": "doors",
    "trainer": {
        "total_timesteps": 512,
        "batch_size": 256,
        "minibatch_size": 128,
        "num_envs": 4,
        "curriculum": {"env": {"id": "CartPole-v1"}},
        "simulation": {"num_episodes": 2},
    },
    "agent": {"hidden_sizes": [8]},
    "wandb": {"mode": "disabled"},
}
JOB = defs.resolve_job_def("train_and_eval")
VTRACE = {"vtrace": {"rho_clip": 0.5}}
Door = Callable[[dg.DagsterInstance], str]


def spec_of(**fields: Any) -> TrainAndEvalSpec:
    return TrainAndEvalSpec.accept({**CARTPOLE, **fields})


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The real instance of a home of its own."""
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    with dagster_instance() as instance:
        yield instance


def through_the_spec(instance: dg.DagsterInstance) -> str:
    spec = spec_of(overrides={"compute_advantage": VTRACE})
    return TrainAndEvalExperiment(spec).run(compute=InProcessCompute()).run_id


def through_a_resource(instance: dg.DagsterInstance) -> str:
    swapped = {"compute": InProcessCompute(), "compute_advantage": ComputeAdvantage(op=VTrace(rho_clip=0.5))}
    resources = {**(defs.resources or {}), **swapped}
    run_config = run_config_of(spec_of())
    return dg.materialize(list(defs.assets or ()), resources=resources, run_config=run_config, instance=instance).run_id


def through_run_config(instance: dg.DagsterInstance) -> str:
    resources = {"compute": {"backend": {"in_process": {}}}, "compute_advantage": {"op": VTRACE}}
    run_config = {**run_config_of(spec_of()), "resources": {key: {"config": each} for key, each in resources.items()}}
    return JOB.execute_in_process(run_config=run_config, instance=instance).run_id


def through_the_pipeline(instance: dg.DagsterInstance) -> str:
    experiment = TrainAndEvalExperiment(spec_of()).prepare()
    experiment._create_pipeline({}).override("train.compute_advantage", VTrace(rho_clip=0.5))
    return experiment.run("with_custom_advantage", compute=InProcessCompute()).run_id


def test_every_door_gives_the_same_run(instance: dg.DagsterInstance) -> None:
    doors: list[Door] = [through_the_spec, through_a_resource, through_run_config, through_the_pipeline]
    handles = [RunHandle.of(door(instance), instance) for door in doors]
    same = ("spec", "spec_hash", "exposed", "overrides", "ops", "pipeline_fingerprint", "weights_digest")
    for stage in ("train", "evaluate", "analyze"):
        first, *others = ({name: handle.manifest(stage)[name] for name in same} for handle in handles)
        assert all(other == first for other in others)
    assert first["overrides"]["train.compute_advantage"]["params"] == {"rho_clip": 0.5, "c_clip": 1.0}
    plain = TrainAndEvalExperiment(spec_of()).run(compute=InProcessCompute()).manifest("train")
    assert plain["overrides"] == {}
    for name in ("spec_hash", "ops", "pipeline_fingerprint", "weights_digest"):
        assert plain[name] != handles[0].manifest("train")[name]
    assert plain["exposed"] == first["exposed"]


def test_a_copy_of_an_op_in_a_module_of_ones_own_travels_with_the_run_and_gives_the_same_weights(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trainer.ops.gae

    source = Path(trainer.ops.gae.__file__ or "").read_text().replace("class Gae(", "class MyGae(")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "my_own_gae.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path / "lib")
    plain = TrainAndEvalExperiment(spec_of()).run(compute=InProcessCompute()).manifest("train")

    own = Imported(target="my_own_gae:MyGae", params={"gae_lambda": 0.95})
    assert spec_of().trainer.ppo.gae_lambda == 0.95
    experiment = TrainAndEvalExperiment(spec_of())
    experiment.pipeline.override("train.compute_advantage", own)
    # A name that only the run's own copy has: the trainer must not find the module anywhere else.
    handle = experiment.run(compute=LocalCompute(env={"PYTHONPATH": ""}))
    assert handle.status == "succeeded", handle.error
    manifest = handle.manifest("train")
    assert (handle.directory / "source" / "my_own_gae.py").read_text() == source
    assert "source/my_own_gae.py" in {artifact["path"] for artifact in manifest["artifacts"]}
    assert manifest["overrides"]["train.compute_advantage"]["params"]["target"] == "my_own_gae:MyGae"
    assert manifest["weights_digest"] == plain["weights_digest"]
    assert manifest["pipeline_fingerprint"] == handle.manifest("analyze")["pipeline_fingerprint"]
    assert manifest["overrides"] == handle.manifest("analyze")["overrides"]


def test_the_snippets_of_the_cookbook_run(instance: dg.DagsterInstance) -> None:
    debug_mode, step = True, Adam()
    custom_adam_calls: list[float] = []

    def custom_adam(given: Any) -> None:
        custom_adam_calls.append(given.learning_rate)
        step(given)

    def reference_implementation(sample: Any) -> Any:
        from axiom_dagster import PpoClip

        return PpoClip()(sample)

    experiment = TrainAndEvalExperiment(spec_of())
    experiment.prepare()
    plain = experiment.run(compute=InProcessCompute())
    pipeline = experiment._create_pipeline({})
    pipeline.override("compute_reward", lambda x: 1.0)
    pipeline.override("train.optimizer.adam_step", custom_adam)
    pipeline.override("train.compute_loss", reference_implementation)
    pipeline.override("train.compute_advantage", Gae())
    result = experiment.run("debugging")
    assert result.status == "succeeded", result.error
    manifest = result.manifest("train")
    assert custom_adam_calls
    assert {path: op["implementation"] for path, op in manifest["overrides"].items()} == {
        "train.compute_advantage": "gae",
        "train.compute_loss": "function",
        "train.compute_reward": "function",
        "train.optimizer.adam_step": "function",
    }
    assert manifest["weights_digest"] == plain.manifest("train")["weights_digest"]

    def load_checkpoint() -> Path:
        return plain.directory / plain.manifest("train")["checkpoint"]["path"]

    pipeline = experiment._create_pipeline({})
    if debug_mode:
        pipeline.override("train", lambda x: load_checkpoint())
    skipped = experiment.run()
    assert skipped.status == "succeeded", skipped.error
    assert skipped.manifest("train")["weights_digest"] == plain.manifest("train")["weights_digest"]
    results = [handle.manifest()["eval_results"]["CartPole-v1"]["mean_reward"] for handle in (plain, skipped)]
    assert results[0] == results[1]


def test_an_analysis_of_this_process_only_runs_and_is_recorded(instance: dg.DagsterInstance) -> None:
    experiment = TrainAndEvalExperiment(spec_of())
    experiment.pipeline.override("analyze", lambda job: {"seen.json": json.dumps([row["update"] for row in job.rows])})
    handle = experiment.run()
    assert handle.status == "succeeded", handle.error
    assert json.loads((handle.directory / "analyze" / "seen.json").read_text()) == [1, 2]
    assert handle.manifest("analyze")["ops"]["analyze"]["implementation"] == "function"
    fingerprints = {handle.manifest(stage)["pipeline_fingerprint"] for stage in ("train", "evaluate", "analyze")}
    assert len(fingerprints) == 1


def test_hooks_on_every_stage_see_what_it_made_are_counted_and_change_nothing(instance: dg.DagsterInstance) -> None:
    seen: dict[str, Any] = {}

    def look(value: Any, info: HookInfo) -> None:
        seen[info.path] = sorted(value) if isinstance(value, dict) else value.done

    def fail(value: Any, info: HookInfo) -> None:
        raise RuntimeError("not my day")

    plain, watched = TrainAndEvalExperiment(spec_of()), TrainAndEvalExperiment(spec_of())
    watched.pipeline.watch("train.report", look).watch("evaluate", look).watch("analyze", look, fail)
    first, second = plain.run(compute=InProcessCompute()), watched.run()
    assert second.status == "succeeded", second.error
    files = {"evaluation.png", "learning_curve.png", "report.html", "results.csv", "results.md"}
    assert files <= set(seen.pop("analyze"))
    assert seen == {"train.updates#1.report": 1, "train.updates#2.report": 2, "evaluate": ["CartPole-v1"]}
    assert {stage: second.manifest(stage)["hooks"] for stage in ("train", "evaluate", "analyze")} == {
        "train": {"train.report.look": {"called": 2, "failed": 0}},
        "evaluate": {"evaluate.look": {"called": 1, "failed": 0}},
        "analyze": {"analyze.look": {"called": 1, "failed": 0}, "analyze.fail": {"called": 1, "failed": 1}},
    }
    for stage in ("train", "evaluate", "analyze"):
        for name in ("spec_hash", "pipeline_fingerprint", "weights_digest", "eval_results"):
            assert second.manifest(stage)[name] == first.manifest(stage)[name]
