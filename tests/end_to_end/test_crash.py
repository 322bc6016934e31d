"""A run worker that is killed: one live trainer, one materialization, the result of a run that was never killed."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RUNS = "query { runsOrError { ... on Runs { results { runId status parentRunId tags { key value } } } } }"
MATERIALIZED = """
query($id: ID!) { runOrError(runId: $id) { ... on Run { assetMaterializations { assetKey { path } } } } }
"""


def tags_of(run: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["tags"]}


@pytest.mark.slow
def test_a_command_that_was_killed_can_be_resumed_and_nothing_is_lost(
    home: Any, tiny: Callable[..., Any], wait_for: Callable[..., Any], tmp_path: Path
) -> None:
    long = {"total_timesteps": 512 * 60, "checkpoint": {"interval_updates": 5}}
    specs = {name: tmp_path / f"{name}.json" for name in ("whole", "killed")}
    for name, file in specs.items():
        file.write_text(json.dumps(tiny(name, **long) | {"overrides": home.hold.overrides}))
    assert home.run("axiom", "run", str(specs["whole"])).returncode == 0

    home.hold.at({"killed-*": 12})
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with home.started("axiom", "run", str(specs["killed"]), **quiet):
        name = wait_for(lambda: home.training_at("killed", 12)).name
    wait_for(lambda: home.trainers() == [], seconds=30)
    home.hold.release()

    alive = home.run("axiom", "run", "--resume", name)
    assert alive.returncode == 2
    assert "if its process has died, `axiom reconcile` says so" in alive.stderr
    assert json.loads(home.run("axiom", "reconcile", "--json").stdout)["findings"][0]["kind"] == "dead run"
    resumed = home.run("axiom", "run", "--resume", name, "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout.splitlines()[-1])["instance_name"] == name

    (whole,), (killed,) = home.manifests("whole", "train"), home.manifests("killed", "train")
    assert killed["weights_digest"] == whole["weights_digest"]
    assert (whole["attempt"], killed["attempt"]) == (1, 2)
    assert len(home.manifests("killed")) == 1
    again = home.run("axiom", "run", "--resume", name)
    assert again.returncode == 2
    assert "is succeeded: only a run that failed or was cancelled can be resumed" in again.stderr
    assert home.run("axiom", "run").returncode == 2


@pytest.mark.slow
def test_a_killed_run_worker_is_found_and_retried_and_the_result_is_as_if_it_had_not_been(
    web: Any, tiny: Callable[..., Any], wait_for: Callable[..., Any]
) -> None:
    long = {"total_timesteps": 512 * 60, "checkpoint": {"interval_updates": 5}}
    overrides = {"overrides": web.home.hold.overrides}
    undisturbed = web.launch(tiny("undisturbed", **long) | overrides)
    wait_for(lambda: web.status(undisturbed) == "SUCCESS", seconds=180)

    web.home.hold.at({"killed-*": 12})
    killed = web.launch(tiny("killed", **long) | overrides)
    wait_for(lambda: web.home.training_at("killed", 12), seconds=180)
    runs = web.ask(RUNS)["runsOrError"]["results"]
    worker = next(tags_of(run)["axiom/worker"] for run in runs if run["runId"] == killed)
    os.kill(int(worker.split()[2]), signal.SIGKILL)
    wait_for(lambda: web.home.trainers() == [], seconds=30)
    web.home.hold.release()

    def retried() -> dict[str, Any] | None:
        web.home.run("axiom", "reconcile")
        runs = web.ask(RUNS)["runsOrError"]["results"]
        return next((run for run in runs if run["parentRunId"] == killed and run["status"] == "SUCCESS"), None)

    again = wait_for(retried, seconds=240)
    assert web.status(killed) == "FAILURE"
    (folder,) = web.home.path.glob("runs/killed-*")
    manifest = json.loads((folder / "train" / "manifest.json").read_text())
    (original,) = web.home.manifests("undisturbed", "train")
    assert manifest["weights_digest"] == original["weights_digest"]
    assert manifest["attempt"] == 2
    assert manifest["run_id"] == again["runId"]
    made = [
        ".".join(each["assetKey"]["path"])
        for run_id in (killed, again["runId"])
        for each in web.ask(MATERIALIZED, {"id": run_id})["runOrError"]["assetMaterializations"]
    ]
    assert sorted(made) == ["analyze", "evaluate", "train"]
    assert web.home.trainers() == []
