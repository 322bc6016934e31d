"""A population through the real queue: a driver that is killed between generations, and what the best spec gives."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from axiom_dagster.sweeps.journal import Asked, Ended, read_journal
from trainer.contract import RunDirectory, read_manifest

CARTPOLE = {
    "curriculum": {"env": {"id": "CartPole-v1"}},
    "total_timesteps": 4096,
    "batch_size": 1024,
    "minibatch_size": 256,
    "optimizer": {"schedule": "constant"},
}


@pytest.mark.slow
def test_a_killed_population_goes_on_and_its_best_spec_gives_the_weights_of_its_best_member(
    home: Any, tiny: Callable[..., Any], tmp_path: Path, wait_for: Callable[..., Any]
) -> None:
    file, folder = tmp_path / "sweep.json", home.path / "sweeps" / "p"
    space = {"trainer.optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
    fields = {"name": "p", "space": space, "population": {"members": 3, "interval": 2048}, "budget": {"runs": 6}}
    file.write_text(json.dumps({**fields, "base": tiny("base", **CARTPOLE) | {"overrides": home.hold.overrides}}))
    # The first generation ends after two updates, the second after four.
    home.hold.at({"p-*": 3})
    with home.started("axiom", "sweep", str(file), stderr=subprocess.DEVNULL):
        wait_for(lambda: len([each for each in read_journal(folder) if isinstance(each, Asked)]) == 6, seconds=400)
        wait_for(lambda: home.training_at("p", 3), seconds=240)
    home.hold.release()
    with home.started("axiom", "sweep", str(file), "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as again:
        stdout, stderr = again.communicate(timeout=400)
    assert again.returncode == 0, stderr
    answer = json.loads(stdout.splitlines()[-1])
    assert [trial["status"] for trial in answer["trials"]] == ["succeeded"] * 6
    assert answer["agent_steps"] == 3 * 4096
    assert [each.trial for each in read_journal(folder) if isinstance(each, Ended)] == list(range(6))
    assert len(list((home.path / "runs").iterdir())) == 6

    lineage = yaml.safe_load((folder / "lineage.yaml").read_text())
    first, last = (
        read_manifest(RunDirectory(home.path / "runs" / each["run"]).manifest_file("train")) for each in lineage
    )
    assert last.parents == {"resume_from": first.digest}
    done = home.run("axiom", "run", answer["best_file"], "--json")
    assert done.returncode == 0, done.stderr
    alone = home.path / "runs" / json.loads(done.stdout.splitlines()[-1])["instance_name"]
    assert read_manifest(RunDirectory(alone).manifest_file("train")).weights_digest == last.weights_digest
