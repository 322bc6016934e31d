"""Stages hand manifests to each other within a run, and never across two."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.analyze import analyze_asset
from assets.checks import ANALYZE_CHECKS, EVALUATE_CHECKS, TRAIN_CHECKS, stage_checks
from assets.evaluate import evaluate_asset
from assets.launchpad import run_config_of
from assets.stage import materialization
from assets.train import train_asset
from resources.exposed_ops import op_resources
from resources.in_process_compute import InProcessCompute
from resources.manifest_store import ManifestStore
from resources.wandb.resource import WandbResource
from trainer.contract import RunDirectory, create_quick_experiment, read_manifest

CHECKS = {"train": TRAIN_CHECKS, "evaluate": EVALUATE_CHECKS, "analyze": ANALYZE_CHECKS}
DEFS = dg.Definitions(
    assets=[train_asset(), evaluate_asset(), analyze_asset()],
    asset_checks=[stage_checks(asset, checks) for asset, checks in CHECKS.items()],
    jobs=[dg.define_asset_job("everything", dg.AssetSelection.assets("train", "evaluate", "analyze"))],
    resources={
        **op_resources(),
        "compute": InProcessCompute(module="fake_trainer"),
        "manifests": ManifestStore(),
        "wandb": WandbResource(),
    },
    executor=dg.in_process_executor,
)
JOB = DEFS.resolve_job_def("everything")


def run(instance: dg.DagsterInstance, *stages: str, seed: int = 1, **options: Any) -> dg.ExecuteInProcessResult:
    """Run stages (default: all) of a spec with this seed."""
    config = options.pop("run_config", None)
    if config is None and (not stages or "train" in stages):
        spec = create_quick_experiment(controls={"seed": seed}, description=options.pop("description", ""))
        config = run_config_of(spec)
    selection = [dg.AssetKey(stage) for stage in stages] or None
    options.setdefault("raise_on_error", False)
    return JOB.execute_in_process(run_config=config, instance=instance, asset_selection=selection, **options)


def metadata(result: dg.ExecuteInProcessResult, stage: str) -> dict[str, Any]:
    (found,) = [event for event in result.asset_materializations_for_node(stage)]
    return {key: value.value for key, value in found.metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    return "\n".join(
        event.step_failure_data.user_failure_data.description or ""
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    )


def name_of(result: dg.ExecuteInProcessResult, stage: str = "train") -> str:
    return metadata(result, stage)["instance_name"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[dg.ExecuteInProcessResult, RunDirectory]:
    """A run of all stages and its directory, for tests that change nothing."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("AXIOM_HOME", str(home))
        result = run(instance)
    return result, RunDirectory(home / "runs" / name_of(result))


def test_three_stages_share_a_directory_and_chain_their_digests(
    finished: tuple[dg.ExecuteInProcessResult, RunDirectory],
) -> None:
    result, directory = finished
    assert result.success
    train, evaluate, analyze = (read_manifest(directory.manifest_file(s)) for s in ("train", "evaluate", "analyze"))
    assert evaluate.parents == {"train": train.digest}
    assert analyze.parents == {"train": train.digest, "evaluate": evaluate.digest}
    assert train.spec_hash == evaluate.spec_hash == analyze.spec_hash
    assert name_of(result) == name_of(result, "evaluate") == name_of(result, "analyze") == analyze.instance_name
    assert name_of(result).startswith("quick-20") and name_of(result).endswith(result.run_id[:6])


def test_a_materialization_is_the_manifest_on_disk(
    finished: tuple[dg.ExecuteInProcessResult, RunDirectory],
) -> None:
    result, _ = finished
    for stage in CHECKS:
        found = metadata(result, stage)
        manifest = read_manifest(Path(found["manifest_file"]))
        assert found["manifest"] == manifest.plain()
        assert found["digest"] == manifest.digest
    assert metadata(result, "train")["steps_per_second"] == 300.0
    assert metadata(result, "evaluate")["arena/basic/mean_reward"] == 1.0
    assert metadata(result, "evaluate")["arena/basic/times_random"] == 2.0
    assert metadata(result, "analyze")["learning_curve"].startswith("![learning_curve](data:image/png;base64,")


def test_analysis_leaves_pictures_and_tables(finished: tuple[dg.ExecuteInProcessResult, RunDirectory]) -> None:
    folder = finished[1].stage("analyze")
    figures = ("evaluation", "exposure", "health", "learning_curve", "throughput")
    pictures = {f"{name}{ending}" for name in figures for ending in (".png", ".svg", "_dark.svg")}
    others = {"code_files.json", "manifest.json", "report.html", "results.csv", "results.md"}
    assert {file.name for file in folder.iterdir()} - {"code.patch"} == pictures | others
    assert (folder / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert "arena/basic,1.0,0.0,2.0,0.5,0.4,0.6,2.0,False,2" in (folder / "results.csv").read_text()


def test_a_run_is_tagged_when_its_first_stage_starts(instance: dg.DagsterInstance) -> None:
    result = run(instance, "train", seed=5)
    tags = instance.get_run_by_id(result.run_id).tags
    assert (tags["axiom/experiment"], tags["axiom/seed"]) == ("quick", "5")
    assert tags["axiom/instance_name"] == name_of(result)
    assert metadata(result, "train")["spec_hash"] == f"sha256:{tags['axiom/spec_hash']}"


def test_a_stage_alone_takes_the_latest(instance: dg.DagsterInstance) -> None:
    run(instance, "train", seed=3)
    latest = run(instance, "train", seed=4)
    alone = run(instance, "evaluate")
    assert metadata(alone, "evaluate")["arena/basic/mean_reward"] == 4
    assert name_of(alone, "evaluate") != name_of(latest)


def test_a_stage_alone_takes_the_one_that_is_named(instance: dg.DagsterInstance) -> None:
    named = run(instance, "train", "evaluate", seed=3)
    run(instance, "train", "evaluate", seed=4)
    config = {"ops": {"analyze": {"config": {"of_run": name_of(named)}}}}
    alone = run(instance, "analyze", run_config=config)
    assert metadata(alone, "analyze")["reward"] == 3


def test_a_name_that_no_run_has_is_refused_with_the_nearest(instance: dg.DagsterInstance) -> None:
    name = name_of(run(instance, "train"))
    alone = run(instance, "evaluate", run_config={"ops": {"evaluate": {"config": {"of_run": name[:-1] + "x"}}}})
    assert f"did you mean '{name}'" in failure(alone)


def test_without_anything_to_build_on_a_stage_says_so(instance: dg.DagsterInstance, home: Path) -> None:
    assert "has no materialization of train" in failure(run(instance, "evaluate"))
    assert not (home / "runs").exists()


def test_a_manifest_changed_since_it_was_recorded_is_refused(instance: dg.DagsterInstance) -> None:
    path = Path(metadata(run(instance, "train"), "train")["manifest_file"])
    path.write_text(path.read_text().replace('"reward": 1.0', '"reward": 9.0'))
    assert "it was changed since" in failure(run(instance, "evaluate"))


def test_an_analysis_of_a_new_training_with_an_old_evaluation_is_refused(instance: dg.DagsterInstance) -> None:
    run(instance, "train", "evaluate", seed=1)
    assert "of another training" in failure(run(instance, "train", "analyze", seed=2))


def test_a_failed_stage_stops_the_rest(instance: dg.DagsterInstance) -> None:
    result = run(instance, description="fail train")
    assert not result.success
    assert result.asset_materializations_for_node("train") == []
    started = {event.step_key for event in result.all_events if event.is_step_start}
    assert started == {"train"}


def test_a_run_directory_is_never_used_by_another_spec(instance: dg.DagsterInstance, home: Path) -> None:
    result = run(instance, "train")
    with pytest.raises(ValueError, match="no run directory is used twice"):
        ManifestStore().open_run(instance, result.run_id, create_quick_experiment(controls={"seed": 99}))


def test_the_same_result_has_the_same_data_version(instance: dg.DagsterInstance, home: Path) -> None:
    def version(stage: str, result: dg.ExecuteInProcessResult) -> Any:
        manifest = read_manifest(Path(metadata(result, stage)["manifest_file"]))
        return materialization(manifest, RunDirectory(home / "runs" / name_of(result))).data_version

    one, two, other = (run(instance, "train", "evaluate", seed=seed) for seed in (1, 1, 2))
    for stage in ("train", "evaluate"):
        assert version(stage, one) == version(stage, two) != version(stage, other)


def check_results(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str]]:
    found = [
        event.asset_check_evaluation_data
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    return {
        f"{each.asset_key.to_user_string()}.{each.check_name}": (each.passed, each.description or "") for each in found
    }


def checked(instance: dg.DagsterInstance, stage: str) -> dict[str, tuple[bool, str]]:
    """Run only the checks of a stage, on its latest materialization."""
    keys = [dg.AssetCheckKey(dg.AssetKey(stage), name) for name in CHECKS[stage]]
    job = dg.define_asset_job("only_checks", dg.AssetSelection.checks(*keys))
    only = dg.Definitions(
        assets=DEFS.assets, asset_checks=DEFS.asset_checks, jobs=[job], resources=DEFS.resources
    ).resolve_job_def("only_checks")
    return check_results(only.execute_in_process(instance=instance, raise_on_error=False))


def test_checks_pass_on_what_was_just_made(finished: tuple[dg.ExecuteInProcessResult, RunDirectory]) -> None:
    results = check_results(finished[0])
    assert sorted(results) == sorted(f"{stage}.{name}" for stage, checks in CHECKS.items() for name in checks)
    assert all(passed for passed, _ in results.values())


def test_a_tampered_checkpoint_is_found_by_both_stages(instance: dg.DagsterInstance, home: Path) -> None:
    directory = RunDirectory(home / "runs" / name_of(run(instance, "train", "evaluate")))
    checkpoint = directory.checkpoints / "update_000003.pt"
    checkpoint.write_text(checkpoint.read_text().replace("seed", "tree"))
    for name, stage in (("manifest_is_whole", "train"), ("digest_chain_holds", "evaluate")):
        passed, why = checked(instance, stage)[f"{stage}.{name}"]
        assert not passed
        assert "update_000003.pt: is sha256:" in why


def test_a_missing_and_a_shortened_file_are_told_apart(instance: dg.DagsterInstance, home: Path) -> None:
    folder = home / "runs" / name_of(run(instance)) / "analyze"
    (folder / "results.csv").unlink()
    (folder / "results.md").write_text("cut")
    passed, why = checked(instance, "analyze")["analyze.manifest_is_whole"]
    assert not passed
    assert "results.csv: no such file" in why
    assert "results.md: has 3 bytes" in why


def test_a_loss_that_is_not_finite_is_found_with_its_line(instance: dg.DagsterInstance, home: Path) -> None:
    metrics = RunDirectory(home / "runs" / name_of(run(instance, "train"))).metrics_file
    metrics.write_text(metrics.read_text() + json.dumps({"update": 4, "losses/policy_loss": float("nan")}) + "\n")
    passed, why = checked(instance, "train")["train.returns_are_finite"]
    assert (passed, why) == (False, "metrics.jsonl line 4: losses/policy_loss = nan")


def test_a_mean_that_is_not_of_its_episodes_is_found(instance: dg.DagsterInstance) -> None:
    path = Path(metadata(run(instance, "train", "evaluate"), "evaluate")["manifest_file"])
    path.write_text(path.read_text().replace('"mean_reward": 1.0', '"mean_reward": 7.0'))
    manifest = read_manifest(path)
    problems = EVALUATE_CHECKS["returns_are_finite"](recorded(manifest, path))
    assert problems == ["arena/basic: mean_reward = 7.0 is not the mean of its 2 episodes"]
    assert not checked(instance, "evaluate")["evaluate.returns_are_finite"][0]


def test_a_parent_changed_after_its_child_was_made_breaks_the_chain(instance: dg.DagsterInstance) -> None:
    result = run(instance)
    path = Path(metadata(result, "train")["manifest_file"])
    path.write_text(path.read_text().replace('"reward": 1.0', '"reward": 9.0'))
    for stage in ("evaluate", "analyze"):
        passed, why = checked(instance, stage)[f"{stage}.digest_chain_holds"]
        assert not passed
        assert "it was changed since" in why


def test_a_failed_check_stops_the_next_stage(instance: dg.DagsterInstance) -> None:
    result = run(instance, description="tamper")
    assert not check_results(result)["train.manifest_is_whole"][0]
    assert result.asset_materializations_for_node("evaluate") == []


def recorded(manifest: Any, path: Path) -> Any:
    from resources.manifest_store import Recorded

    return Recorded(manifest, path, "", {})
