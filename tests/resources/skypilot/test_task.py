"""The task of a stage: what SkyPilot accepts, what travels, and what nobody gets to see."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.task import cluster_of, job_name, preview, secrets_of, task_of
from resources.skypilot.workdir import REQUIREMENTS, stage_workdir
from trainer.contract import Refused, RunDirectory, TrainAndEvalSpec, begin_run

EVERYTHING: dict[str, Any] = {
    "gpus": 8,
    "accelerator": "H100",
    "nodes": 2,
    "infra": "aws",
    "region": "us-east-1",
    "image": "docker:nvcr.io/nvidia/pytorch:25.01-py3",
    "cpus": "16+",
    "memory": "64+",
    "disk_gb": 200,
    "max_restarts_on_errors": 3,
    "secrets": ["WANDB_API_KEY"],
    "env": {"NCCL_DEBUG": "INFO"},
    "setup": "apt-get install -y git",
    "artifacts": "s3://bucket/axiom",
}
CONFIGS = {
    "defaults": {},
    "everything": EVERYTHING,
    "cpu": {"gpus": 0, "spot": False, "infra": "slurm", "python": "/opt/python"},
    "cluster": {"mode": "cluster", "cluster": "mine", "artifacts": "/shared/axiom", "idle_minutes_to_autostop": 3},
    "any region": {"region": "us-west-2"},
}
PROJECT = """
[project]
dependencies = ["pydantic"]
[project.optional-dependencies]
trainer = ["torch"]
"""
VALIDATE = """
import json, sys, sky
for name, config in json.load(sys.stdin).items():
    task = sky.Task.from_yaml_config(config)
    print(json.dumps([name, task.num_nodes, sorted(str(each) for each in task.resources)]))
"""


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "runs" / "quick-1")
    begin_run(TrainAndEvalSpec(), run)
    return run


@pytest.fixture
def make(run: RunDirectory, tmp_path: Path):
    (tmp_path / "workdir").mkdir()

    def task(**fields: Any) -> dict[str, Any]:
        config = SkypilotJobConfig.accept(fields)
        secrets = dict.fromkeys(config.secrets, "s3cr3t value")
        bootstrap = {"DAGSTER_PIPES_CONTEXT": "abc"}
        return task_of(
            config, run, "train", workdir=tmp_path / "workdir", threads=3, bootstrap=bootstrap, secrets=secrets
        )

    return task


@pytest.mark.skipif(not importlib.util.find_spec("sky"), reason="skypilot is not installed: `make setup` installs it")
def test_skypilot_itself_accepts_every_task(make: Any) -> None:
    given = json.dumps({name: make(**fields) for name, fields in CONFIGS.items()})
    done = subprocess.run([sys.executable, "-c", VALIDATE], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    found = {name: (nodes, resources) for name, nodes, resources in lines}
    assert set(found) == set(CONFIGS)
    assert found["everything"][0] == 2
    (everything,) = found["everything"][1]
    assert "AWS" in everything and "{'H100': 8}" in everything and "[Spot]" in everything
    assert len(found["defaults"][1]) > 1
    (cpu,) = found["cpu"][1]
    assert "Slurm" in cpu and "Spot" not in cpu


def test_one_process_is_started_plainly_and_several_by_torchrun(make: Any) -> None:
    assert "/opt/py -P -m trainer train +experiments=quick-1" in make(gpus=0, python="/opt/py")["run"]
    several = make(gpus=2, nodes=3, python="/opt/py")["run"]
    assert '/opt/py -P -m torch.distributed.run --nnodes "$SKYPILOT_NUM_NODES" --node-rank "$SKYPILOT_NODE_RANK" ' in (
        several
    )
    assert "--nproc-per-node 2 " in several and several.count("-m trainer train +experiments=quick-1") == 1


def test_a_job_ends_itself_after_its_longest_runtime(make: Any, tmp_path: Path) -> None:
    task = make(python="/bin/true", max_runtime_minutes=7)
    assert "timeout --kill-after=60 7m /bin/true" in task["run"]
    script = task["run"].replace("cd ~/sky_workdir", "").replace("7m /bin/true -P", "0.1s sleep 9 #")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (124, "ended: max_runtime_minutes=7 have passed\n")


def test_the_exit_code_of_the_trainer_is_that_of_the_job(make: Any) -> None:
    script = make(python="/bin/true")["run"].replace("cd ~/sky_workdir", "").replace("/bin/true -P", "sh -c 'exit 2' #")
    assert subprocess.run(["bash", "-c", script], check=False).returncode == 2


def test_the_run_gets_its_yaml_threads_messages_and_artifacts(make: Any, run: RunDirectory) -> None:
    task = make(artifacts="s3://bucket", env={"A": "b"}, file_mounts={"~/data": "/data"})
    mounts = {"~/data": "/data", "~/sky_workdir/configs/experiments/quick-1.yaml": str(run.spec_file)}
    assert task["file_mounts"] == mounts
    expected = {"AXIOM_COMPUTE": "skypilot", "AXIOM_MESSAGES": "frames", "AXIOM_ARTIFACTS": "s3://bucket"}
    expected |= {"OMP_NUM_THREADS": "3", "A": "b", "DAGSTER_PIPES_CONTEXT": "abc"}
    assert expected.items() <= task["envs"].items()


def test_a_cluster_is_always_removed_when_idle(make: Any) -> None:
    assert make()["resources"]["autostop"] == {"idle_minutes": 10, "down": True}
    assert "autostop" not in make(artifacts="s3://bucket")["resources"]


def test_the_preview_is_the_task_without_the_values_of_secrets(make: Any) -> None:
    task = make(secrets=["MY_KEY"])
    text = preview(task)
    assert yaml.safe_load(text) == {**task, "secrets": {"MY_KEY": "<redacted>"}}
    assert "s3cr3t" not in text
    assert "run: |" in text


def test_secrets_that_are_not_set_are_refused_by_name() -> None:
    config = SkypilotJobConfig(secrets=("MY_KEY", "OTHER"))
    with pytest.raises(Refused, match=r"'OTHER': is not set in this environment"):
        secrets_of(config, {"MY_KEY": "x"})
    assert secrets_of(config, {"MY_KEY": "x", "OTHER": "y", "MORE": "z"}) == {"MY_KEY": "x", "OTHER": "y"}


def test_names_are_the_same_for_every_try_and_a_cluster_is_the_experiments() -> None:
    assert job_name("quick-1", "train") == "axiom-quick-1-train"
    assert cluster_of(SkypilotJobConfig(), "quick") == "axiom-quick"
    assert cluster_of(SkypilotJobConfig(cluster="mine"), "quick") == "mine"
    assert cluster_of(SkypilotJobConfig(artifacts="s3://b"), "quick") is None


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    top = tmp_path / "repository"
    files = {
        "trainer/__init__.py": "",
        "trainer/old.py": "",
        "trainer/link.py": "",
        ".gitignore": "*.log\n",
        "kept.log": "tracked though ignored",
        "constraints.txt": "torch==2.13.0",
        "pyproject.toml": PROJECT,
    }
    for name, content in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(content)
    git(top, "init", "--quiet")
    git(top, "add", "--all", "--force")
    git(top, "commit", "--quiet", "-m", "x")
    return top


def test_the_tracked_files_travel_as_they_lie_there_and_nothing_else(
    repository: Path, run: RunDirectory, tmp_path: Path
) -> None:
    (repository / "trainer" / "__init__.py").write_text("changed = True\n")
    (repository / "trainer" / "old.py").unlink()
    (repository / "untracked.py").touch()
    (repository / "new.log").touch()
    (run.source / "mine").mkdir(parents=True)
    (run.source / "mine" / "op.py").write_text("op = 1\n")
    staged = stage_workdir(tmp_path / "staged", run, repository / "trainer")
    found = {str(file.relative_to(staged)) for file in staged.rglob("*") if file.is_file()}
    assert found == {
        *("trainer/__init__.py", "trainer/link.py", ".gitignore", "kept.log", "constraints.txt", "pyproject.toml"),
        *("configs/experiments/quick-1.source/mine/op.py", REQUIREMENTS, ".skyignore"),
    }
    assert (staged / "trainer" / "__init__.py").read_text() == "changed = True\n"
    assert (staged / REQUIREMENTS).read_text().splitlines() == ["-c constraints.txt", "pydantic", "torch"]


def test_without_a_repository_the_installed_trainer_travels_with_its_requirements(
    run: RunDirectory, tmp_path: Path
) -> None:
    package = tmp_path / "site-packages" / "trainer"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__init__.py").touch()
    (tmp_path / "site-packages" / "other.py").touch()
    (tmp_path / "staged").mkdir()
    (tmp_path / "staged" / "left over").touch()
    staged = stage_workdir(tmp_path / "staged", run, package)
    assert sorted(file.name for file in staged.iterdir()) == [".skyignore", REQUIREMENTS, "trainer"]
    wanted = (staged / REQUIREMENTS).read_text()
    assert "torch" in wanted and "extra" not in wanted and "dagster-webserver" not in wanted
