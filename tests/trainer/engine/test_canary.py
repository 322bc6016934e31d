"""No secret of the environment is found in any byte that a run leaves, however it ends."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from trainer.contract import read_manifest

MARK = f"canary-{uuid4().hex[:8]}"
SECRETS = {
    "WANDB_API_KEY": f"{MARK}0{'0' * 27}",
    "AWS_SECRET_ACCESS_KEY": f"{MARK}-aws/with+signs==",
    "MY_TOKEN": f"{MARK}-token",
    "SKYPILOT_DB_PASSWORD": f"{MARK}-sky",
    "PRIVATE_KEY": f"-----BEGIN-----\n{MARK}-line-one\n{MARK}-line-two",
}
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
        secrets = [repr(value) for name, value in os.environ.items() if name in NAMES]
        raise ConnectionError("refused: " + " ".join(secrets) + " https://me:" + os.environ["URL_WORD"] + "@host/")

gymnasium.register("Breaks-v0", entry_point=Breaks)
""".replace("NAMES", repr(list(SECRETS)))


@pytest.fixture
def told(tmp_path: Path):
    """Runs the trainer's command among secrets, its console in the run directory as the local compute keeps it."""

    def run(run_directory: Path, *words: str) -> int:
        (tmp_path / "modules").mkdir(exist_ok=True)
        (tmp_path / "modules" / "sitecustomize.py").write_text(BREAKS if "breaks" in run_directory.name else "")
        netrc = tmp_path / ".netrc"
        netrc.write_text(f"machine api.wandb.ai\n  login user\n  password {MARK}{'1' * 27}\n")
        path = os.pathsep.join([str(tmp_path / "modules"), str(Path(__file__).parents[3])])
        environment = {**os.environ, **SECRETS, "URL_WORD": f"{MARK}-url", "PYTHONPATH": path, "HOME": str(tmp_path)}
        command = [sys.executable, "-m", "trainer", *words, "--run-dir", str(run_directory)]
        with (run_directory / "console.log").open("ab") as console:
            return subprocess.run(command, env=environment, stdout=console, stderr=console, check=False).returncode

    return run


def leaks(folder: Path) -> list[str]:
    """The files, and the names of files, with the mark in them."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 8
    return [str(path) for path in files if MARK.encode() in path.read_bytes() or MARK in path.name]


def test_a_run_that_succeeds_leaves_no_secret(small, start, told):
    run = start(small(wandb={"mode": "offline"}, controls={"capture_env": ["LANG", "HOME"]}))
    assert told(run.path, "train") == 0
    assert told(run.path, "evaluate") == 0
    assert list(run.path.rglob("*.wandb"))
    assert leaks(run.path) == []


@pytest.mark.parametrize(("num_workers", "overlap"), [(1, False), (2, False), (2, True)])
def test_an_error_that_holds_secrets_is_recorded_without_them(small, start, told, num_workers, overlap):
    changes = {"curriculum": {"env": {"id": "Breaks-v0"}}, "num_workers": num_workers, "overlap": overlap}
    spec = small(trainer=changes, wandb={"mode": "offline"}, eval_configs={"other": {"id": "CartPole-v1"}})
    run = start(spec, "breaks")
    assert told(run.path, "train") == 1
    manifest = read_manifest(run.manifest_file("train"))
    assert manifest.status == "failed"
    assert manifest.stopped_at.step == "train.updates#1.rollout"
    assert "[secret]" in manifest.error
    assert "[secret]" in (run.path / "console.log").read_text()
    assert leaks(run.path) == []


def test_the_search_of_these_tests_finds_a_secret_in_any_file(tmp_path):
    for number in range(9):
        (tmp_path / f"file{number}").write_bytes(b"\x00\xff")
    (tmp_path / "file3").write_bytes(b"\x00\xff" + SECRETS["MY_TOKEN"].encode() + b"\x00")
    assert leaks(tmp_path) == [str(tmp_path / "file3")]
