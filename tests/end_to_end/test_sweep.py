"""A sweep through the real queue: a driver that is killed, a trial that is pruned, and the best spec run by itself."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from axiom_dagster.sweeps.journal import Asked, Ended, Looked, read_journal
from axiom_dagster.sweeps.trials import PRUNED_TAG
from resources.home import dagster_instance

CARTPOLE = {"curriculum": {"env": {"id": "CartPole-v1"}}, "total_timesteps": 32_768, "minibatch_size": 256}
LOOKED_AT, UPDATES = 16_384 // 512, 32_768 // 512


@pytest.mark.slow
def test_a_killed_sweep_takes_its_trial_over_prunes_and_exports_what_runs(
    home: Any, tiny: Callable[..., Any], tmp_path: Path, wait_for: Callable[..., Any]
) -> None:
    file, folder = tmp_path / "sweep.json", home.path / "sweeps" / "s"
    base = tiny("base", **CARTPOLE) | {"overrides": home.hold.overrides}
    space = {"trainer.optimizer.learning_rate": [0.003, 1e-7]}
    pruner = {"type": "asha", "min_agent_steps": 16_384, "reduction_factor": 2}
    fields = {"name": "s", "sampler": {"type": "grid"}, "metric": "overview/reward", "budget": {"runs": 2}}
    file.write_text(json.dumps({**fields, "base": base, "space": space, "pruner": pruner}))
    home.hold.at({"s-*": 3})
    with home.started("axiom", "sweep", str(file), stderr=subprocess.DEVNULL):
        first = wait_for(lambda: home.training_at("s", 3), seconds=240)
    # Both go on to where they are looked at, and only the first beyond it.
    home.hold.at({"s-*": LOOKED_AT})
    with home.started("axiom", "sweep", str(file), "--json", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as again:
        wait_for(lambda: any(isinstance(each, Looked) for each in read_journal(folder)), seconds=240)
        home.hold.at({first.name: UPDATES, "s-*": LOOKED_AT})
        stdout, stderr = again.communicate(timeout=400)
    assert again.returncode == 0, stderr
    answer = json.loads(stdout.splitlines()[-1])
    assert [trial["status"] for trial in answer["trials"]] == ["succeeded", "pruned"]
    assert answer["best"] == "trial-0000"

    entries = read_journal(folder)
    assert [each.trial for each in entries if isinstance(each, Asked | Ended)] == [0, 0, 1, 1]
    assert [look.goes_on for look in entries if isinstance(look, Looked)] == [True, False]
    with dagster_instance(home.path) as instance:
        runs = {run.tags["axiom/variant"]: run for run in instance.get_runs()}
        assert len(runs) == instance.get_runs_count() == 2
    assert "after 16384 agent-steps" in runs["trial-0001"].tags[PRUNED_TAG]
    assert runs["trial-0001"].status.value == "CANCELED"

    home.hold.release()
    done = home.run("axiom", "run", answer["best_file"], "--json")
    assert done.returncode == 0, done.stderr
    spec = json.loads(done.stdout.splitlines()[-1])["manifest"]["spec"]
    assert (spec["name"], spec["trainer"]["optimizer"]["learning_rate"]) == ("s", 0.003)
