"""The connection reaches trainers of this machine, and Dagster keeps the name of a key, never the key."""

import json
import os
import sys
from pathlib import Path

import dagster as dg
import pytest

from resources.in_process_compute import InProcessCompute
from resources.local_compute import LocalCompute
from resources.wandb.resource import WandbResource
from trainer.contract import RunDirectory, begin_run, create_quick_experiment

TELLS = """
import json, os
def run_stage(stage, run, reporter, **given):
    names = ("WANDB_API_KEY", "WANDB_BASE_URL")
    (run.path / "told.json").write_text(json.dumps({name: os.environ.get(name) for name in names}))
    raise RuntimeError("no training here")
"""
MAIN = """
import sys
from pathlib import Path
from tells_its_environment import run_stage
from trainer.contract import RunDirectory
run_stage("train", RunDirectory(Path(sys.argv[-1])), None)
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a trainer that only tells which variables it has."""
    (tmp_path / "tells_its_environment.py").write_text(TELLS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("TEAM_KEY", "the-key-of-the-team")
    return tmp_path


def compute_of(kind: str, modules: Path) -> LocalCompute | InProcessCompute:
    if kind == "in_process":
        return InProcessCompute(module="tells_its_environment")
    main, python = modules / "main.py", modules / "python"
    main.write_text(MAIN)
    python.write_text(
        f'#!/bin/sh\nshift; shift; PYTHONPATH="{modules}:$PYTHONPATH" exec {sys.executable} {main} "$@"\n'
    )
    python.chmod(0o755)
    return LocalCompute(python=str(python))


@pytest.mark.parametrize("kind", ["in_process", "local"])
def test_a_trainer_on_this_machine_gets_key_and_address_and_dagster_keeps_neither(kind, modules):
    run = RunDirectory(modules / "runs" / "quick-1")
    begin_run(create_quick_experiment(), run)
    compute = compute_of(kind, modules)

    @dg.asset(required_resource_keys={"wandb"})
    def step(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        compute.run(context, "train", run)
        return dg.MaterializeResult()

    wandb = WandbResource(api_key=dg.EnvVar("TEAM_KEY"), base_url="https://wandb.lab")
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([step], resources={"wandb": wandb}, instance=instance, raise_on_error=False)
        kept = str(instance.all_logs(result.run_id)) + str(instance.get_run_by_id(result.run_id))
    told = json.loads((run.path / "told.json").read_text())
    assert told == {"WANDB_API_KEY": "the-key-of-the-team", "WANDB_BASE_URL": "https://wandb.lab"}
    assert "the-key-of-the-team" not in kept
    assert os.environ.get("WANDB_API_KEY") is None


def test_what_is_empty_is_left_to_the_environment():
    assert WandbResource().variables() == {}
    assert WandbResource(base_url="https://wandb.lab").variables() == {"WANDB_BASE_URL": "https://wandb.lab"}


def test_the_resource_answers_about_runs_by_its_own_connection(home_of_one, server):
    from tests.resources.wandb.wandb_server import KEY

    online = WandbResource(api_key=KEY, base_url=server.url).service()
    assert len(online.find_training_jobs()) == 0
    assert online.find_training_jobs().source == "online"


@pytest.fixture
def home_of_one(tracked_offline, tmp_path, monkeypatch):
    """A home with one run."""
    tracked_offline()
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
