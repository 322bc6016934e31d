"""Resources and spec are doors to the same overrides; what was done stays, and nothing is ignored in silence."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.analyze import analyze_asset
from assets.checks import ANALYZE_CHECKS, EVALUATE_CHECKS, TRAIN_CHECKS, stage_checks
from assets.evaluate import evaluate_asset
from assets.launchpad import run_config_of
from assets.overridden import LONGEST_TAG, TAG, differ_only_later, tag_of
from assets.stage import materialization
from assets.train import train_asset
from resources.exposed_ops import op_resources, resource_classes
from resources.in_process_compute import InProcessCompute
from resources.manifest_store import ManifestStore
from resources.wandb.resource import WandbResource
from trainer.contract import Manifest, RunDirectory, create_quick_experiment, read_manifest
from trainer.ops.vtrace import VTrace

ComputeAdvantage = resource_classes()["ComputeAdvantage"]
ASSETS = [train_asset(), evaluate_asset(), analyze_asset()]
CHECKS = {"train": TRAIN_CHECKS, "evaluate": EVALUATE_CHECKS, "analyze": ANALYZE_CHECKS}
VTRACE = {"vtrace": {"rho_clip": 1.0, "c_clip": 1.0}}
MINE = """
def evaluate(job):
    return {}

def analyze(job):
    return {"verdict.txt": f"{len(job.rows)} rows of {job.train.instance_name}", "raw.bin": b"1"}

def outside(job):
    return {"down/up.txt": "no"}

def broken(job):
    raise RuntimeError("the plot is gone")

def numbers(job):
    return {"n.txt": 7}
"""


@pytest.fixture(autouse=True)
def my_ops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "my_stage_ops.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path / "lib")


def mine(name: str) -> dict[str, Any]:
    return {"imported": {"target": f"my_stage_ops:{name}", "params": {}}}


def job(**resources: Any) -> dg.JobDefinition:
    compute = {
        "compute": InProcessCompute(module="fake_trainer"),
        "manifests": ManifestStore(),
        "wandb": WandbResource(),
    }
    return dg.Definitions(
        assets=ASSETS,
        asset_checks=[stage_checks(asset, checks) for asset, checks in CHECKS.items()],
        jobs=[dg.define_asset_job("everything", dg.AssetSelection.assets(*CHECKS))],
        resources={**op_resources(), **compute, **resources},
        executor=dg.in_process_executor,
    ).resolve_job_def("everything")


def run(
    instance: dg.DagsterInstance, *stages: str, ops: dict[str, Any] | None = None, **options: Any
) -> dg.ExecuteInProcessResult:
    """Run stages (default: all) with the config of op resources, and objects in the place of others."""
    spec = create_quick_experiment(overrides=options.pop("overrides", {}))
    config = run_config_of(spec) if not stages or "train" in stages else {}
    resources = {key: {"config": {"op": op}} for key, op in (ops or {}).items()}
    return job(**options).execute_in_process(
        run_config={**config, "resources": resources},
        instance=instance,
        asset_selection=[dg.AssetKey(stage) for stage in stages] or None,
        raise_on_error=False,
    )


def manifest_of(result: dg.ExecuteInProcessResult, stage: str) -> Manifest:
    (found,) = result.asset_materializations_for_node(stage)
    return read_manifest(Path(str(found.metadata["manifest_file"].value)))


def failure(result: dg.ExecuteInProcessResult) -> str:
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return "\n".join(data.user_failure_data.description for data in failures if data.user_failure_data)


def test_a_choice_of_a_resource_is_an_override_of_the_spec(instance: dg.DagsterInstance, home: Path) -> None:
    result = run(instance, ops={"compute_advantage": {"vtrace": {}}})
    assert result.success
    manifests = [manifest_of(result, stage) for stage in CHECKS]
    expected = create_quick_experiment(overrides={"compute_advantage": "vtrace"})
    assert {manifest.spec_hash for manifest in manifests} == {expected.spec_hash}
    assert all(manifest.overrides["train.compute_advantage"].implementation == "vtrace" for manifest in manifests)
    directory = RunDirectory(home / "runs" / manifests[0].instance_name)
    assert "vtrace" in directory.spec_file.read_text()


def test_an_override_shows_in_the_metadata_and_tags_the_run(instance: dg.DagsterInstance) -> None:
    plain, swapped = run(instance), run(instance, compute_advantage=ComputeAdvantage(op=VTrace(rho_clip=3.0)))
    shown = [each.asset_materializations_for_node("train")[0].metadata["overrides"].value for each in (plain, swapped)]
    assert shown[0] == "none"
    assert shown[1].startswith("- `train.compute_advantage`: vtrace `{'rho_clip': 3.0, 'c_clip': 1.0}` (source ")
    assert TAG not in instance.get_run_by_id(plain.run_id).tags
    assert instance.get_run_by_id(swapped.run_id).tags[TAG] == "train.compute_advantage=vtrace"


def test_a_long_list_of_overrides_is_cut_in_the_tag() -> None:
    keys = ("compute_advantage", "compute_loss", "compute_reward", "curriculum", "policy", "rollout", "evaluate")
    spec = create_quick_experiment(overrides={key: mine("evaluate") for key in keys})
    assert len(tag_of(spec)[TAG]) == LONGEST_TAG + 1


def test_a_spec_and_a_resource_that_contradict_each_other_are_refused_with_both(instance: dg.DagsterInstance) -> None:
    overrides = {"compute_advantage": {"vtrace": {"rho_clip": 2.0}}}
    result = run(instance, overrides=overrides, ops={"compute_advantage": {"vtrace": {}}})
    words = failure(result)
    assert "resources.compute_advantage" in words and "overrides.train.compute_advantage" in words
    assert "'rho_clip': 2.0" in words and "'rho_clip': 1.0" in words
    assert run(instance, overrides=overrides, ops={"compute_advantage": {"vtrace": {"rho_clip": 2.0}}}).success


def test_a_resource_for_a_part_of_what_the_spec_replaces_is_refused(instance: dg.DagsterInstance) -> None:
    result = run(instance, overrides={"optimizer": mine("evaluate")}, ops={"adam_step": {"sgd": {}}})
    assert "one of the two would have no effect" in failure(result)


def test_an_evaluation_alone_with_another_op_differs_in_that_alone(instance: dg.DagsterInstance) -> None:
    trained = manifest_of(run(instance, overrides={"compute_loss": "a2c"}), "train")
    alone = run(instance, "evaluate", ops={"evaluate": mine("evaluate")})
    assert alone.success, failure(alone)
    evaluated = manifest_of(alone, "evaluate")
    assert evaluated.spec["overrides"] == {**trained.spec["overrides"], "evaluate": mine("evaluate")}
    assert {**evaluated.spec, "overrides": None} == {**trained.spec, "overrides": None}
    assert checks_of(alone)["evaluate.digest_chain_holds"]
    analysis = run(instance, "analyze", ops={"analyze": mine("analyze")})
    assert analysis.success, failure(analysis)
    assert checks_of(analysis)["analyze.digest_chain_holds"]
    assert set(manifest_of(analysis, "analyze").overrides) == {"train.compute_loss", "evaluate", "analyze"}


def test_later_stages_together_share_one_spec(instance: dg.DagsterInstance) -> None:
    run(instance, "train")
    both = run(instance, "evaluate", "analyze", ops={"evaluate": mine("evaluate"), "analyze": mine("analyze")})
    assert both.success, failure(both)
    assert manifest_of(both, "evaluate").spec_hash == manifest_of(both, "analyze").spec_hash
    assert all(checks_of(both).values())


def test_the_chain_breaks_at_every_other_difference(instance: dg.DagsterInstance) -> None:
    result = run(instance)
    train, evaluate, analyze = (manifest_of(result, stage) for stage in CHECKS)

    def with_overrides(child: Manifest, **overrides: Any) -> Manifest:
        return child.model_copy(update={"spec": {**child.spec, "overrides": overrides}})

    ops = {"evaluate": mine("evaluate")}
    assert differ_only_later(train, with_overrides(evaluate, **ops))
    assert differ_only_later(train, with_overrides(analyze, **ops))
    assert not differ_only_later(evaluate, with_overrides(analyze, **ops))
    assert not differ_only_later(train, with_overrides(evaluate, **{"train.compute_advantage": VTRACE}))
    assert not differ_only_later(train, evaluate.model_copy(update={"spec": {**evaluate.spec, "name": "other"}}))


def test_an_op_of_a_training_that_is_done_cannot_be_chosen(instance: dg.DagsterInstance) -> None:
    run(instance, "train")
    words = failure(run(instance, "evaluate", ops={"compute_advantage": {"vtrace": {}}}))
    assert "train is done, and train.compute_advantage was as declared" in words
    run(instance, "train", overrides={"compute_advantage": "vtrace"})
    assert run(instance, "evaluate", ops={"compute_advantage": {"vtrace": {}}}).success


@pytest.mark.parametrize(
    ("key", "given", "words"),
    [
        ("backward", 1, "resources.backward = 'backward': is not exposed; allowed: adam_step, analyze"),
        ("compute_advantag", ComputeAdvantage(), "belongs at the key 'compute_advantage'"),
        ("compute_loss", ComputeAdvantage(op=VTrace()), "belongs at the key 'compute_advantage'"),
        ("compute_advantage", VTrace(), "must be a ComputeAdvantage: ComputeAdvantage(op=...)"),
    ],
)
def test_a_resource_that_would_have_no_effect_is_refused(
    instance: dg.DagsterInstance, key: str, given: Any, words: str
) -> None:
    assert words in failure(run(instance, **{key: given}))


def test_an_analysis_of_ones_own_leaves_its_own_files(instance: dg.DagsterInstance, home: Path) -> None:
    result = run(instance, ops={"analyze": mine("analyze")})
    assert result.success, failure(result)
    manifest = manifest_of(result, "analyze")
    folder = home / "runs" / manifest.instance_name / "analyze"
    own = {"manifest.json", "raw.bin", "verdict.txt"}
    assert own <= {file.name for file in folder.iterdir()} <= own | {"code.patch", "code_files.json"}
    assert (folder / "verdict.txt").read_text() == f"3 rows of {manifest.instance_name}"
    assert {artifact.path for artifact in manifest.artifacts} >= {"analyze/verdict.txt", "analyze/raw.bin"}
    metadata = result.asset_materializations_for_node("analyze")[0].metadata
    assert not {"learning_curve", "evaluation", "learning_curve_file", "results_file"} & set(metadata)
    assert manifest.ops["analyze"].implementation == "imported"
    assert manifest.pipeline_fingerprint == manifest_of(result, "train").pipeline_fingerprint
    assert all(checks_of(result).values())


@pytest.mark.parametrize(("name", "words"), [("outside", "must be a plain file name"), ("numbers", "text or bytes")])
def test_an_analysis_that_gives_something_else_is_refused(
    instance: dg.DagsterInstance, home: Path, name: str, words: str
) -> None:
    assert words in failure(run(instance, ops={"analyze": mine(name)}))
    assert not list(home.rglob("up.txt")) and not list(home.glob("runs/*/analyze/*.txt"))


def test_an_analysis_that_fails_leaves_its_manifest(instance: dg.DagsterInstance, home: Path) -> None:
    assert not run(instance, ops={"analyze": mine("broken")}).success
    (file,) = home.glob("runs/*/analyze/manifest.json")
    manifest = read_manifest(file)
    assert (manifest.status, manifest.error) == ("failed", "RuntimeError: the plot is gone")
    assert manifest.overrides["analyze"].params["target"] == "my_stage_ops:broken"


def test_the_data_version_counts_the_source_of_what_ran(instance: dg.DagsterInstance, home: Path) -> None:
    result = run(instance)
    manifest = manifest_of(result, "train")
    op = manifest.ops["train.compute_advantage"]
    edited = {**manifest.ops, "train.compute_advantage": op.model_copy(update={"source_digest": "sha256:other"})}
    versions = [
        materialization(each, RunDirectory(home / "runs" / manifest.instance_name)).data_version
        for each in (manifest, manifest.model_copy(update={"ops": edited}))
    ]
    assert versions[0] != versions[1]


def checks_of(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    found = [
        event.asset_check_evaluation_data
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    return {f"{each.asset_key.to_user_string()}.{each.check_name}": each.passed for each in found}
