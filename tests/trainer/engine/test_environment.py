"""What a manifest says of the machine, the code and the process; and how far a stage came that did not succeed."""

import json
import subprocess
import sys
import time

import pytest

from trainer.contract import (
    Manifest,
    Refused,
    RunDirectory,
    SystemConfig,
    file_digest,
    read_manifest,
    this_process,
)
from trainer.engine.environment import describe_compute, describe_environment
from trainer.entry import run_stage
from trainer.stopping import Cancelled

SYSTEM = SystemConfig()


def test_the_environment_has_versions_machine_and_device():
    found = describe_environment(SYSTEM, (), "sha256:a")
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert found.torch is not None
    assert found.torch.startswith(found.packages["torch"].partition("+")[0])
    assert (found.device, found.machine, found.cublas_workspace) == ("cpu", "x86_64", None)
    assert found.memory_bytes is not None
    assert found.memory_bytes > 2**28


def test_describing_the_environment_is_cheap_and_cheaper_the_second_time():
    code = "import trainer.engine.environment as e, time; from trainer.contract import SystemConfig\n"
    code += "for _ in (1, 2): t = time.process_time(); e.describe_environment(SystemConfig(), (), 'c'); "
    code += "print(time.process_time() - t)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = map(float, done.stdout.split())
    assert first < 0.5
    assert second < 0.02


def test_the_fingerprint_changes_with_what_can_change_a_result_and_with_nothing_else():
    found = describe_environment(SYSTEM, (), "sha256:a")
    same = {"hostname": "elsewhere", "memory_bytes": 1, "cpu_count": 99, "cpu": "another", "platform": "other"}
    assert found.model_copy(update=same).with_fingerprint("sha256:a").fingerprint == found.fingerprint
    for change in (
        {"python": "3.99.0"},
        {"packages": {**found.packages, "numpy": "0"}},
        {"torch_threads": 77},
        {"device": "cuda"},
        {"cuda": "99"},
        {"cpu_capability": "none"},
        {"variables": {"A": "1"}},
    ):
        assert found.model_copy(update=change).with_fingerprint("sha256:a").fingerprint != found.fingerprint, change
    assert found.with_fingerprint("sha256:b").fingerprint != found.fingerprint
    one, two = (found.model_copy(update={"device": f"cuda:{number}", "gpu": "g"}) for number in (0, 1))
    assert one.with_fingerprint(None).fingerprint == two.with_fingerprint(None).fingerprint
    for change in ({"gpu": "h"}, {"cublas_workspace": ":16:8"}):
        other = two.model_copy(update=change).with_fingerprint(None)
        assert other.fingerprint != two.with_fingerprint(None).fingerprint


def test_only_the_variables_that_are_named_are_recorded(monkeypatch):
    monkeypatch.setenv("AXIOM_SHOWN", "https://me:pass-word-1@host")
    monkeypatch.setenv("AXIOM_HIDDEN", "hidden-value")
    found = describe_environment(SYSTEM, ("AXIOM_SHOWN", "AXIOM_UNSET"), "sha256:a")
    assert found.variables == {"AXIOM_SHOWN": "https://[secret]@host", "AXIOM_UNSET": None}
    assert "hidden-value" not in json.dumps(found.plain())


def test_the_compute_is_the_callers_process_or_what_it_was_told(monkeypatch):
    assert (describe_compute().kind, describe_compute().process) == ("in_process", this_process())
    monkeypatch.setenv("AXIOM_COMPUTE", "skypilot")
    monkeypatch.setenv("AXIOM_JOB_ID", "17")
    assert (describe_compute().kind, describe_compute().job_id) == ("skypilot", "17")


def test_a_manifest_has_all_parts_and_its_artifacts_lie_there(small, trained, reporter):
    run, manifest = trained(small(controls={"capture_env": ["LANG"]}))
    evaluated = run_stage("evaluate", run, reporter)
    for each in (manifest, evaluated):
        assert each.environment
        assert each.code
        assert each.compute
        assert list(each.environment.variables) == ["LANG"]
        assert each.code.files == manifest.code.files
        assert f"{each.stage}/code_files.json" in [file.path for file in each.artifacts]
        for file in each.artifacts:
            assert file.uri == (run.path / file.path).as_uri()
            assert file_digest(run.path / file.path) == file.sha256
        assert each.stopped_at is None
    assert manifest.environment.fingerprint == evaluated.environment.fingerprint
    assert Manifest.accept(json.loads(json.dumps(manifest.plain()))) == manifest


def test_torch_threads_are_those_of_this_stage_not_of_the_first_in_the_process(small, trained):
    threads = [trained(small(system={"torch_threads": n}), f"run{n}")[1].environment.torch_threads for n in (1, 2)]
    assert threads == [1, 2]


class StopsAt:
    """A reporter that stops the training after an update."""

    def __init__(self, agent_steps: int) -> None:
        self.agent_steps = agent_steps

    def progress(self, progress) -> None:
        if progress.done >= self.agent_steps:
            raise Cancelled

    def log(self, message: str) -> None:
        """Nothing."""


def test_a_cancelled_run_says_after_which_update_and_keeps_its_metrics(small, start):
    run = start(small())
    with pytest.raises(Cancelled):
        run_stage("train", run, StopsAt(512))
    manifest = read_manifest(run.manifest_file("train"))
    assert (manifest.status, manifest.stopped_at.update, manifest.stopped_at.agent_steps) == ("cancelled", 2, 512)
    assert "train/metrics.jsonl" in [file.path for file in manifest.artifacts]
    assert manifest.code.commit is None or len(manifest.code.commit) == 40


def test_time_to_target_is_when_the_mean_reward_first_was_there(small, trained):
    run, manifest = trained(small(trainer={"target_reward": 5}))
    rows = [json.loads(line) for line in run.metrics_file.read_text().splitlines()]
    assert manifest.metrics["target/agent_steps"] == rows[0]["agent_steps"]
    assert manifest.metrics["target/seconds"] == rows[0]["seconds"] == rows[-1]["target/seconds"]
    never = trained(small(trainer={"target_reward": 1e9}), "never")[1].metrics
    assert (never["target/agent_steps"], never["target/seconds"]) == (None, None)
    assert "target/agent_steps" not in trained(small(), "none")[1].metrics


def test_time_to_target_survives_an_interruption(small, start, reporter):
    run = start(small(trainer={"target_reward": 5}))
    with pytest.raises(Cancelled):
        run_stage("train", run, StopsAt(512))
    first = json.loads(run.metrics_file.read_text().splitlines()[0])
    manifest = run_stage("train", run, reporter)
    assert manifest.attempt == 2
    assert manifest.metrics["target/agent_steps"] == first["agent_steps"]
    assert manifest.metrics["target/seconds"] == first["seconds"]


def test_a_manifest_of_an_earlier_schema_is_refused_with_what_to_do(trained, small):
    run, _ = trained(small())
    file = run.manifest_file("train")
    file.write_text(json.dumps({**json.loads(file.read_text()), "schema_version": 1}))
    with pytest.raises(Refused, match=r"schema_version = 1: .*reads version 4; .*run its run\.yaml again"):
        read_manifest(file)


def test_a_killed_run_leaves_no_manifest_but_its_attempt(small, start):
    run = start(small(trainer={"total_timesteps": 10**9}))
    with subprocess.Popen([sys.executable, "-m", "trainer", "train", "--run-dir", str(run.path)]) as process:
        end = time.monotonic() + 60
        while not (run.metrics_file.exists() and run.metrics_file.read_text()):
            assert time.monotonic() < end
            time.sleep(0.05)
        process.kill()
    assert not run.manifest_file("train").exists()
    assert len((RunDirectory(run.path).stage("train") / "attempts.jsonl").read_text().splitlines()) == 1
