"""No secret of the environment is found in any file of a home, Dagster's event log among them."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

MARK = f"canary-{uuid4().hex[:8]}"
SECRETS = {"WANDB_API_KEY": f"{MARK}0{'0' * 27}", "SKYPILOT_SECRET": f"{MARK}-sky", "MY_TOKEN": f"{MARK}-token"}
BREAKS = """
import os
import gymnasium
import numpy as np

class Breaks(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        raise ConnectionError(" ".join(value for name, value in os.environ.items() if name in NAMES))

gymnasium.register("Breaks-v0", entry_point=Breaks)
""".replace("NAMES", repr(list(SECRETS)))


def test_neither_a_result_nor_a_failure_leaves_a_secret_in_the_home(
    home: Any, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(BREAKS)
    home.environment |= {
        **SECRETS,
        "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
    }
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({**tiny("well"), "wandb": {"mode": "offline"}}))
    assert home.run("axiom", "run", str(spec)).returncode == 0
    broken = {**tiny("badly", curriculum={"env": {"id": "Breaks-v0"}}), "eval_configs": {}}
    spec.write_text(json.dumps(broken))
    done = home.run("axiom", "run", str(spec), "--json")
    assert done.returncode == 1, done.stderr
    assert "ConnectionError: [secret]" in json.loads(done.stdout)["error"]

    files = [path for path in home.path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" and b"[secret]" in path.read_bytes() for path in files)
    assert [str(path) for path in files if MARK.encode() in path.read_bytes()] == []
    assert MARK not in done.stdout + done.stderr
