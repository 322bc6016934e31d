"""Experiments of many runs through a real queue and daemon: killed launchers, failures, two at once, the matrix."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from axiom_dagster.run_handle import RunHandle
from axiom_dagster.variants import dequeuing
from resources.home import dagster_instance

CARTPOLE = {"curriculum": {"env": {"id": "CartPole-v1"}}, "total_timesteps": 1024, "minibatch_size": 256}
PARTITIONS = """
{ assetNodeOrError(assetKey: {path: ["variants", "train"]}) {
  ... on AssetNode { partitionStats { numMaterialized } }
} }
"""


def declared(folder: Path, base: dict[str, Any], **fields: Any) -> str:
    """A file that declares an experiment of many runs."""
    file = folder / f"{fields['name']}.yaml"
    file.write_text(json.dumps({"base": base, "seeds": [1, 2], **fields}))
    return str(file)


def answer(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def run(home: Any, *words: str) -> subprocess.CompletedProcess[str]:
    """`axiom run` to its end; the queue takes longer than other commands."""
    with home.started("axiom", "run", *words, "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        stdout, stderr = process.communicate(timeout=400)
    return subprocess.CompletedProcess(words, process.returncode, stdout, stderr)


def cells(home: Any, *experiments: str) -> Counter[str]:
    """How many runs each partition of these experiments has had."""
    with dagster_instance(home.path) as instance:
        runs = [run for run in instance.get_runs() if run.tags.get("axiom/experiment") in experiments]
    return Counter(run.tags["dagster/partition"] for run in runs)


def materialized(web: Any) -> int:
    """How many trainings of the matrix are there, as the UI counts them."""
    return web.ask(PARTITIONS)["assetNodeOrError"]["partitionStats"]["numMaterialized"]


@pytest.mark.slow
def test_a_killed_launcher_loses_nothing_and_the_next_runs_each_run_once(
    home: Any, tiny: Callable[..., Any], tmp_path: Path, wait_for: Callable[..., Any]
) -> None:
    base = tiny("base", **CARTPOLE | {"total_timesteps": 40_960}) | {"overrides": home.hold.overrides}
    file = declared(tmp_path, base, name="killed", arms={"a": {}, "b": {"set": {"trainer.ppo.gamma": 0.9}}})
    home.hold.at({"killed-*": 3})
    with home.started("axiom", "run", file, stderr=subprocess.DEVNULL):
        wait_for(lambda: home.training_at("killed", 3), seconds=240)
    home.hold.release()
    done = run(home, file)
    assert done.returncode == 0, done.stderr
    assert {each["status"] for each in answer(done)["runs"]} == {"succeeded"}
    assert cells(home, "killed") == {"1|killed/a": 1, "1|killed/b": 1, "2|killed/a": 1, "2|killed/b": 1}
    again = run(home, file)
    assert (again.returncode, answer(again)["launched"]) == (0, 0)
    wait_for(lambda: not home.processes(), seconds=60)


@pytest.mark.slow
def test_two_experiments_at_once_through_the_uis_daemon_and_one_run_again_alone(
    web: Any, tiny: Callable[..., Any], tmp_path: Path, wait_for: Callable[..., Any]
) -> None:
    home, gammas = web.home, {"trainer.ppo.gamma": [0.9, 0.99]}
    base = tiny("base", **CARTPOLE | {"total_timesteps": 40_960}) | {"overrides": home.hold.overrides}
    long, short = declared(tmp_path, base, name="long", seeds=[1], grid=gammas), declared(
        tmp_path, tiny("base", **CARTPOLE), name="short", seeds=[1], grid=gammas
    )  # fmt: skip
    wait_for(lambda: daemon_is_alive(home), seconds=120)
    before = materialized(web)
    home.hold.at({"long-*": 3})
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(run, home, long), pool.submit(run, home, short)
        folder = wait_for(lambda: home.training_at("long", 3), seconds=240)
        assert not any("variants.dequeuer" in words for words in home.processes().values())
        stopped = cancel(home, folder.name)
        wait_for(lambda: status(home, folder.name) == "cancelled", seconds=120)
        home.hold.release()
    assert second.result().returncode == 0, second.result().stderr
    assert first.result().returncode == 1
    assert Counter(each["status"] for each in answer(first.result())["runs"]) == {"cancelled": 1, "succeeded": 1}
    again = run(home, long)
    assert (again.returncode, answer(again)["launched"]) == (0, 1)
    found = cells(home, "long", "short")
    assert found[stopped] == 2
    assert sorted(found.values()) == [1, 1, 1, 2]
    assert materialized(web) - before == 4


def daemon_is_alive(home: Any) -> bool:
    with dagster_instance(home.path) as instance:
        return dequeuing.daemon_is_alive(instance)


def status(home: Any, name: str) -> str:
    with dagster_instance(home.path) as instance:
        return RunHandle.of(name, instance).status


def cancel(home: Any, name: str) -> str:
    """Cancel a run; the partition that it is of."""
    with dagster_instance(home.path) as instance:
        handle = RunHandle.of(name, instance)
        assert handle.cancel()
        return handle.tags["dagster/partition"]
