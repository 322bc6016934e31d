"""A composition whose process is killed in the middle: run again, each phase is there once, with the same weights."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resources.home import dagster_instance

CARTPOLE = {"curriculum": {"env": {"id": "CartPole-v1"}}, "total_timesteps": 16_384, "minibatch_size": 256}
PHASES = {
    "pretrain": {},
    "never": {"initialize_from": "pretrain", "when": [{"phase": "pretrain", "below": 0}]},
    "finetune": {"initialize_from": ["pretrain", "never"], "repeat": {"at_most": 2}},
}


def phases(home: Any, file: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """`axiom run` to its end: what became of each round."""
    words = ("axiom", "run", str(file), "--json")
    with home.started(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        stdout, stderr = process.communicate(timeout=400)
    assert process.returncode == 0, stderr
    return {(each["phase"], each["round"]): each for each in json.loads(stdout.splitlines()[-1])["phases"]}


def weights(home: Any, name: str) -> dict[str, str]:
    """By the directory of each run of a composition, its weights."""
    files = home.path.glob(f"runs/{name}-*/train/manifest.json")
    return {file.parents[1].name: json.loads(file.read_text())["weights_digest"] for file in files}


@pytest.mark.slow
def test_a_composition_that_is_killed_goes_on_and_ends_as_one_that_was_not(
    home: Any, tiny: Callable[..., Any], tmp_path: Path, wait_for: Callable[..., Any]
) -> None:
    file, base = tmp_path / "chain.json", tiny("base", **CARTPOLE) | {"overrides": home.hold.overrides}
    file.write_text(json.dumps({"name": "killed", "base": base, "phases": PHASES}))
    home.hold.at({"killed-finetune-*": 3})
    with home.started("axiom", "run", str(file), stderr=subprocess.DEVNULL):
        begun = wait_for(lambda: home.training_at("killed-finetune", 3), seconds=300)
    home.hold.release()
    done = phases(home, file)
    assert {key: each["outcome"] for key, each in done.items()} == {
        ("pretrain", 1): "kept", ("never", 1): "skipped", ("finetune", 1): "ran", ("finetune", 2): "ran"
    }  # fmt: skip
    assert done["finetune", 1]["instance_name"] == begun.name
    assert done["finetune", 1]["began_with"] == done["pretrain", 1]["instance_name"]
    assert done["finetune", 2]["began_with"] == done["finetune", 1]["instance_name"]
    with dagster_instance(home.path) as instance:
        ended = [run.status.value for run in instance.get_runs()]
    assert sorted(ended) == ["CANCELED", "SUCCESS", "SUCCESS", "SUCCESS"]

    again = phases(home, file)
    assert {each["outcome"] for each in again.values()} == {"kept", "skipped"}
    file.write_text(json.dumps({"name": "whole", "base": base, "phases": PHASES}))
    phases(home, file)
    assert len(weights(home, "killed")) == 3
    assert sorted(weights(home, "killed").values()) == sorted(weights(home, "whole").values())
    wait_for(lambda: not home.processes(), seconds=60)
