"""`axiom sync` as it is typed."""

import json

import pytest
from typer.testing import CliRunner

from axiom_dagster.cli.app import app


def sync(*words, **variables):
    return CliRunner().invoke(app, ["sync", *words], env={"WANDB_API_KEY": "", **variables})


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / "home"


def test_all_that_was_tracked_is_uploaded_and_told_in_json(home, environment, server, tracked_offline):
    run = tracked_offline("quick-1", updates=3)
    key = {name: environment[name] for name in ("WANDB_API_KEY", "WANDB_BASE_URL")}
    ended = sync("--json", **key)
    assert ended.exit_code == 0, ended.output
    (told,) = json.loads(ended.stdout.splitlines()[-1])["synced"]
    assert (told["instance_name"], told["what"], told["updates"]) == ("quick-1", "uploaded", 3)
    assert [row["update"] for row in server.run("quick-1").rows] == [1, 2, 3]
    again = sync(str(run.path), **key)
    assert again.exit_code == 0
    assert f"quick-1 train: there already: {server.url}/lab/axiom/runs/quick-1" in again.output


def test_without_a_key_it_refuses_and_without_a_tracked_run_it_says_so(home, environment):
    refused = sync("--json")
    assert refused.exit_code == 2
    (problem,) = json.loads(refused.stdout.splitlines()[-1])["problems"]
    assert problem["path"] == "WANDB_API_KEY" and "wandb login" in problem["why"]
    nothing = sync(WANDB_API_KEY="some-key")
    assert (nothing.exit_code, nothing.output.strip()) == (0, "nothing to upload: no run here was tracked")


def test_a_failed_upload_is_exit_code_1(home, tracked_offline):
    tracked_offline()
    failed = sync(WANDB_API_KEY="some-key", WANDB_BASE_URL="http://127.0.0.1:9")
    assert failed.exit_code == 1
    assert "quick-1 train: failed, to be tried again: W&B: ConnectionError" in failed.output
