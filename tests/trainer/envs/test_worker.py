"""Workers fail loudly and leave nothing behind."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from trainer.contract.environment import EnvConfig
from trainer.envs.vector import VectorEnv
from trainer.worker import WorkerFailed

# Gravity as a word: the environment can be made and reset, but raises in its first step.
BREAKS_IN_ITS_FIRST_STEP = EnvConfig(id="Pendulum-v1", kwargs={"g": "ten"})

PARENT = """
import time
from trainer.contract.environment import EnvConfig
from trainer.envs.vector import VectorEnv
env = VectorEnv(EnvConfig(id="CartPole-v1"), 4, 3)
env.reset([0, 1, 2, 3])
print("ready", flush=True)
{end}
"""


def test_a_worker_that_raises_is_reported_with_its_environments_and_traceback() -> None:
    env = VectorEnv(EnvConfig(id="Pendulum-v1"), 4, 2)
    env.assign([{}, {}, {"kwargs.g": "ten"}, {}])
    env.reset([0, 1, 2, 3])
    with pytest.raises(WorkerFailed) as failed:
        env.step(np.zeros((4, 1), np.float32))
    assert "environments 2 to 3" in str(failed.value)
    assert "raised by environment 2" in str(failed.value)
    assert "TypeError" in str(failed.value)
    assert not multiprocessing.active_children()


def test_an_environment_that_raises_in_this_process_is_named_too() -> None:
    with VectorEnv(BREAKS_IN_ITS_FIRST_STEP, 2) as env:
        env.reset([0, 1])
        with pytest.raises(TypeError) as failed:
            env.step(np.zeros((2, 1), np.float32))
    assert failed.value.__notes__ == ["raised by environment 0"]


def test_an_error_in_this_process_leaves_no_worker_behind() -> None:
    env = VectorEnv(BREAKS_IN_ITS_FIRST_STEP, 4, 2)
    env.reset([0, 1, 2, 3])
    with pytest.raises(TypeError) as failed:
        env.step(np.zeros((4, 1), np.float32))
    assert failed.value.__notes__ == ["raised by environment 0"]
    assert not multiprocessing.active_children()


def test_a_worker_that_is_killed_is_reported_with_its_environments() -> None:
    env = VectorEnv(EnvConfig(id="CartPole-v1"), 4, 2)
    env.reset([0, 1, 2, 3])
    (victim,) = [child for child in multiprocessing.active_children() if child.name == "envs-2-3"]
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    with pytest.raises(WorkerFailed, match=r"environments 2 to 3 died .*exit code -9"):
        for _ in range(3):
            env.step(np.zeros(4, int))
    assert not multiprocessing.active_children()


def test_a_worker_dies_while_this_process_steps_its_own_share() -> None:
    env = VectorEnv(EnvConfig(id="CartPole-v1"), 4, 2)
    env.reset([0, 1, 2, 3])
    (victim,) = multiprocessing.active_children()
    assert victim.pid is not None
    # Stopped, it cannot answer before it dies.
    os.kill(victim.pid, signal.SIGSTOP)
    env.send(np.zeros(4, int))
    victim.kill()
    with pytest.raises(WorkerFailed, match=r"environments 2 to 3 died .*exit code -9"):
        env.receive()
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("num_workers", [1, 2, 4])
def test_this_process_is_one_of_the_workers(num_workers) -> None:
    with VectorEnv(EnvConfig(id="CartPole-v1"), 4, num_workers) as env:
        env.reset([0, 1, 2, 3])
        assert len(multiprocessing.active_children()) == num_workers - 1
    assert not multiprocessing.active_children()


def test_workers_end_when_nobody_holds_their_vector_any_more() -> None:
    env = VectorEnv(EnvConfig(id="CartPole-v1"), 4, 2)
    (worker,) = multiprocessing.active_children()
    del env
    gc.collect()
    worker.join(10)
    assert worker.exitcode == 0


@pytest.mark.parametrize("death", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_workers_and_shared_memory_go_when_the_parent_is_killed(death) -> None:
    parent = _parent("time.sleep(60)")
    parent.send_signal(death)
    # Every worker holds the pipe of stderr open: this returns only when the last of them is gone.
    _, errors = parent.communicate(timeout=20)
    assert "resource_tracker" not in errors
    assert "envs-" not in errors
    # Named by who made it: other tests share memory at the same time.
    assert not list(Path("/dev/shm").glob(f"pym-{parent.pid}-*"))


def test_ctrl_c_leaves_the_workers_to_the_parent() -> None:
    parent = _parent(
        """
try:
    print("waiting", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.5)
    for _ in range(3):
        env.step(env.rewards.astype(int))
    print("still stepping")
"""
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "waiting\n"
    os.killpg(parent.pid, signal.SIGINT)
    output, errors = parent.communicate(timeout=20)
    assert (output, errors) == ("still stepping\n", "")


@pytest.mark.parametrize("end", ["", "env.close()", "del env", "import numpy; env.send(numpy.zeros(4, int))"])
def test_a_parent_that_ends_without_closing_is_quiet_and_quick(end) -> None:
    began = time.monotonic()
    parent = _parent(end)
    _, errors = parent.communicate(timeout=20)
    assert errors == ""
    assert parent.returncode == 0
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("env_id", "absent"), [("CartPole-v1", {"torch", "mettagrid"}), ("arena", {"torch", "trainer.envs.gym"})]
)
def test_an_environment_imports_no_other_simulator_and_no_torch(env_id, absent) -> None:
    code = f"""
import sys
from trainer.contract.environment import EnvConfig
from trainer.envs.vector import VectorEnv
assert not {{"gymnasium", "mettagrid", "torch"}} & set(sys.modules), "before any environment is made"
with VectorEnv(EnvConfig(id={env_id!r}), 1) as env:
    env.reset([0])
assert not {absent!r} & set(sys.modules), {absent!r} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def _parent(end: str) -> subprocess.Popen[str]:
    code = PARENT.format(end=end)
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"
    return parent
