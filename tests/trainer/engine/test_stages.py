"""However a stage ends, its manifest says so; and nothing is overwritten."""

import json
import os
import signal
import subprocess
import sys
import time

import gymnasium
import numpy as np
import pytest
import torch

from trainer.contract import Progress, Refused, read_manifest
from trainer.contract.checkpoints import saved_checkpoints
from trainer.engine.monitors import Diverged
from trainer.entry import main, run_stage
from trainer.pipeline import CheckFailed
from trainer.stopping import Cancelled, StopRequest


class Breaks(gymnasium.Env):
    """Raises at its tenth step."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2)
    steps = 0

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        if self.steps == 10:
            raise ArithmeticError("the tenth step")
        return np.zeros(1, np.float32), 0.0, False, False, {}


@pytest.fixture
def breaks():
    gymnasium.register("Breaks-v0", entry_point=Breaks)
    yield "Breaks-v0"
    del gymnasium.registry["Breaks-v0"]


def test_a_failed_stage_leaves_a_manifest_that_says_why(breaks, small, start, reporter):
    run = start(small(trainer={"curriculum": {"env": {"id": breaks}}}))
    with pytest.raises(ArithmeticError):
        run_stage("train", run, reporter)
    manifest = read_manifest(run.manifest_file("train"))
    assert (manifest.status, manifest.error) == (
        "failed",
        "ArithmeticError: the tenth step (in step train.updates#1.rollout)",
    )
    with pytest.raises(Refused, match="left none"):
        run_stage("evaluate", run, reporter)


class Interrupted(BaseException):
    """As Dagster's interrupt of a run in its own process: no Exception, and of no name that the trainer knows."""


class IsInterrupted(Breaks):
    """Interrupted at its tenth step."""

    def step(self, action):
        try:
            return super().step(action)
        except ArithmeticError:
            raise Interrupted from None


def test_whatever_interrupts_a_stage_leaves_a_manifest_that_says_so(small, start, reporter):
    gymnasium.register("IsInterrupted-v0", entry_point=IsInterrupted)
    try:
        run = start(small(trainer={"curriculum": {"env": {"id": "IsInterrupted-v0"}}}))
        with pytest.raises(Interrupted):
            run_stage("train", run, reporter)
    finally:
        del gymnasium.registry["IsInterrupted-v0"]
    manifest = read_manifest(run.manifest_file("train"))
    assert (manifest.status, manifest.error) == ("cancelled", "told to stop; begins anew: nothing was saved")


class PaysNothingReal(Breaks):
    """Pays what it is told to."""

    def __init__(self, pays: float | str) -> None:
        self.pays = float(pays)

    def step(self, action):
        return np.zeros(1, np.float32), self.pays, False, False, {}


@pytest.fixture
def paying():
    """An environment that pays the same for every step."""
    gymnasium.register("PaysNothingReal-v0", entry_point=PaysNothingReal)
    yield lambda pays: {"env": {"id": "PaysNothingReal-v0", "kwargs": {"pays": pays}}}
    del gymnasium.registry["PaysNothingReal-v0"]


def test_training_stops_at_the_first_loss_that_is_not_finite(paying, small, start, reporter):
    run = start(small(trainer={"curriculum": paying(1e30), "normalize_rewards": False}))
    with pytest.raises(Diverged, match=r"update 1: .*losses/value_loss = inf.*learning_rate is too large"):
        run_stage("train", run, reporter)
    assert read_manifest(run.manifest_file("train")).status == "failed"


def test_a_reward_that_is_no_number_stops_training_before_it_is_learned_from(paying, small, start, reporter):
    run = start(small(trainer={"curriculum": paying("nan")}))
    with pytest.raises(CheckFailed, match=r"after_rollout: check 'no_nan:rollout.rewards' failed on ndarray\(64, 4\)"):
        run_stage("train", run, reporter)
    counts = read_manifest(run.manifest_file("train")).checks
    assert counts["train.after_rollout.no_nan:rollout.rewards"]["failed"] == 1
    assert counts["train.after_compute_advantage.no_nan:targets"]["evaluated"] == 0


def test_a_gpu_that_is_not_there_is_refused(small, start, reporter):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(Refused, match=r"system\.device = 'cuda': this machine's torch sees no GPU"):
        run_stage("train", start(small(system={"device": "cuda"})), reporter)


def test_a_stage_that_has_a_manifest_is_not_run_again(small, trained, reporter):
    run, first = trained(small())
    with pytest.raises(Refused, match="runs are not overwritten"):
        run_stage("train", run, reporter)
    assert read_manifest(run.manifest_file("train")) == first


@pytest.mark.parametrize("reaches", ["the trainer", "its workers too"])
def test_sigterm_ends_the_trainer_and_its_workers_and_is_recorded(reaches, small, start):
    run = start(small(trainer={"total_timesteps": 10**9, "num_workers": 3}))
    command = [sys.executable, "-m", "trainer", "train", "--run-dir", str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert "progress" in json.loads(process.stdout.readline())
        children = children_of(process.pid)
        assert len(children) >= 2
        (os.kill if reaches == "the trainer" else os.killpg)(process.pid, signal.SIGTERM)
        assert process.wait(timeout=30) == 75
    manifest = read_manifest(run.manifest_file("train"))
    assert manifest.status == "cancelled"
    assert manifest.error == f"told to stop; goes on from train/checkpoints/{saved_checkpoints(run)[-1].name}"
    deadline = time.monotonic() + 10
    while any(is_alive(child) for child in children):
        assert time.monotonic() < deadline, "a worker outlived its trainer"
        time.sleep(0.05)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stop_that_was_lost_on_the_way_is_heeded_at_the_next_progress(reporter):
    class Finalizer:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)

    before = signal.getsignal(signal.SIGTERM)
    try:
        heeding = StopRequest().heeded_by(reporter)
        progress = Progress(stage="train", done=1, total=2, steps_per_second=1, eta_seconds=1)
        heeding.progress(progress)
        finalizer = Finalizer()
        del finalizer
        with pytest.raises(Cancelled):
            heeding.progress(progress)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert reporter.progresses == [progress]


def test_the_environment_is_recorded_without_environment_variables(small, trained, monkeypatch):
    monkeypatch.setenv("AXIOM_CANARY_SECRET", "canary-5bd1e995")
    run, manifest = trained(small())
    assert manifest.environment.packages["torch"].startswith("2.")
    assert not any(b"canary-5bd1e995" in path.read_bytes() for path in run.path.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("trainer.curriculum.env.id=CartPole-v9", "unknown environment; did you mean 'CartPole-v1'?"),
        ("trainer.ppo.gama=0.9", "did you mean 'gamma'?"),
        ("trainer.ppo.gamma=2", "trainer.ppo.gamma = 2: should be less than or equal to 1"),
        ("trainer.total_timesteps=many", "trainer.total_timesteps = 'many': should be a valid integer"),
        ("trainer.minibatch_size=100", "not divisible by minibatch_size = 100"),
        ("name=../x", "name = '../x'"),
        ("trainer.curriculum=env/mettagrid/curriculum/arena/basix", "did you mean 'env/mettagrid/curriculum/arena/b"),
    ],
)
def test_bad_input_exits_with_2_and_leaves_no_run_directory(value, says, tmp_path, capsys):
    spec = tmp_path / "spec.yaml"
    spec.write_text("trainer: {curriculum: {env: {id: CartPole-v1}}, batch_size: 256, minibatch_size: 64}\n")
    assert main(["train", "--spec", str(spec), "--run-dir", str(tmp_path / "run"), value]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_missing_spec_and_a_taken_run_directory_are_refused(tmp_path, small, start, capsys):
    assert main(["train", "--spec", str(tmp_path / "none.yaml"), "--run-dir", str(tmp_path / "run")]) == 2
    assert "no such file" in capsys.readouterr().err
    run = start(small())
    assert main(["train", "--spec", str(run.spec_file), "--run-dir", str(run.path)]) == 2
    assert "a run is there already" in capsys.readouterr().err


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in listed.stdout.split()]


def is_alive(pid: int) -> bool:
    return subprocess.run(["kill", "-0", str(pid)], capture_output=True, check=False).returncode == 0
