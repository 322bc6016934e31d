"""Terminating a run, as the UI's button does, stops its trainer."""

from collections.abc import Callable
from typing import Any

LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""
TERMINATE = "mutation($id: String!) { terminateRun(runId: $id) { __typename } }"
LOCATION = {"repositoryLocationName": "axiom_dagster.definitions", "repositoryName": "__repository__"}


def test_terminating_a_run_in_the_ui_stops_the_trainer(
    web: Any, tiny: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    config = {"ops": {"train": {"config": tiny("endless", total_timesteps=100_000_000)}}}
    params = {"selector": {**LOCATION, "pipelineName": "train_and_eval"}, "runConfigData": config}
    run_id = web.ask(LAUNCH, {"params": params})["launchRun"]["run"]["runId"]

    metrics = wait_for(lambda: list(web.home.path.glob("runs/endless-*/train/metrics.jsonl")))[0]
    wait_for(metrics.read_text)
    assert len(web.home.trainers()) >= 1

    assert web.ask(TERMINATE, {"id": run_id})["terminateRun"]["__typename"] == "TerminateRunSuccess"
    wait_for(lambda: web.status(run_id) == "CANCELED")
    wait_for(lambda: web.home.trainers() == [], seconds=20)
    assert web.home.manifests("endless", "train")[0]["status"] == "cancelled"
    assert web.home.manifests("endless", "evaluate") == []


def test_a_spec_file_dropped_into_the_inbox_becomes_a_run(
    web: Any, tiny: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    import json

    (web.home.path / "inbox" / "bad.json").write_text('{"trainer": {"batchsize": 1}}')
    (web.home.path / "inbox" / "good.json").write_text(json.dumps(tiny("dropped")))

    wait_for(lambda: web.home.manifests("dropped"), seconds=90)
    refused = web.home.path / "inbox" / "refused" / "bad.json.error.txt"
    assert "did you mean 'batch_size'" in refused.read_text()
