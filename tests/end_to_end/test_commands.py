"""Dagster's own commands work on this project, on one home, with runs side by side."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

VARIABLES = ("AXIOM_HOME", "DAGSTER_HOME")
MODULE = ("-m", "axiom_dagster.definitions")


@pytest.fixture
def home(home: Any) -> Any:
    """Set up as the README says before Dagster's own commands."""
    exports = home.run("axiom", "env")
    assert (exports.returncode, exports.stderr) == (0, "")
    assert exports.stdout.splitlines() == [f"export {name}={home.environment[name]}" for name in VARIABLES]
    return home


def config_file(folder: Path, config: dict[str, Any]) -> str:
    """A run config as a file; JSON is YAML too."""
    path = folder / f"{config['name']}.yaml"
    path.write_text(json.dumps({"ops": {"train": {"config": config}}}))
    return str(path)


def test_definitions_are_valid_for_both_commands(home: Any) -> None:
    for words in (("dagster", "definitions", "validate"), ("dg", "check", "defs")):
        done = home.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_stage_is_materialized_by_the_asset_command(home: Any, tiny: Callable[..., Any], tmp_path: Path) -> None:
    file = config_file(tmp_path, tiny("selected"))
    done = home.run("dagster", "asset", "materialize", *MODULE, "--select", "*", "-c", file)
    assert done.returncode == 0, done.stderr
    (manifest,) = home.manifests("selected")
    assert manifest["status"] == "succeeded"
    assert (manifest["parents"].keys(), manifest["eval_results"].keys()) == (
        {"train", "evaluate"},
        {"arena/basic", "arena/combat"},
    )
    page = (home.path / "reports" / "selected-compare.html").read_text()
    assert "One variant with one seed: there is nothing to compare it with." in page


@pytest.mark.slow
def test_two_jobs_at_once_keep_their_results_apart(home: Any, tiny: Callable[..., Any], tmp_path: Path) -> None:
    config = {name: config_file(tmp_path, {**tiny(name), "controls": {"seed": seed}}) for name, seed in SEEDS.items()}
    commands = {
        "by_dagster": ("dagster", "job", "execute", *MODULE, "-j", "train_and_eval", "-c", config["by_dagster"]),
        "by_dg": ("dg", "launch", "--job", "train_and_eval", "--config", config["by_dg"]),
    }
    logs = {name: (tmp_path / f"{name}.log").open("w+") for name in commands}
    processes = {name: home.start(*words, stdout=logs[name], stderr=logs[name]) for name, words in commands.items()}
    for name, process in processes.items():
        assert process.wait(timeout=120) == 0, (tmp_path / f"{name}.log").read_text()
        logs[name].close()

    digests = set[str]()
    for name, seed in SEEDS.items():
        stages = {stage: home.manifests(name, stage) for stage in ("train", "evaluate", "analyze")}
        (train,), (evaluate,), (analyze,) = stages.values()
        assert train["spec"]["controls"]["seed"] == seed
        assert train["weights_digest"] == evaluate["weights_digest"] == analyze["weights_digest"]
        assert train["run_id"] == evaluate["run_id"] == analyze["run_id"]
        digests.add(train["weights_digest"])
    assert len(digests) == 2


SEEDS = {"by_dagster": 1, "by_dg": 2}
