"""A training that is repeated beside its record: what differs is found in the first update, and named."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from trainer.contract import Refused, RunDirectory
from trainer.contract.verification import Verification
from trainer.engine.verify import divergence, verify
from trainer.entry import run_stage
from trainer.stopping import Cancelled

OWN = """
import numpy as np
from trainer.ops.gae import Gae
SCALE = 1.0

class Mine(Gae):
    def __call__(self, experience):
        estimate = super().__call__(experience)
        return type(estimate)((estimate.advantages * np.float32(SCALE)).astype(np.float32), estimate.returns)
"""
# Threads share a sum only where it is large enough.
WIDE = {"agent": {"hidden_sizes": [256, 256]}, "trainer": {"minibatch_size": 256}}


class Until:
    """A reporter that is told to stop after some updates."""

    def __init__(self, updates: int) -> None:
        self.left = updates

    def progress(self, progress: object) -> None:
        self.left -= 1
        if self.left == 0:
            raise Cancelled

    def log(self, message: str) -> None:
        pass


def edit(file: Path, change: Any) -> None:
    data = json.loads(file.read_text())
    change(data)
    file.write_text(json.dumps(data))


def verified(run: RunDirectory, *words: str, code: int, path: str = "") -> Verification:
    """What the command says in a process of its own, whose exit code is checked."""
    command = [sys.executable, "-m", "trainer", "verify", "--run-dir", str(run.path), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == code, done.stderr
    return Verification.accept(json.loads(done.stdout.splitlines()[-1])["verification"])


def paths(verification: Verification) -> list[str]:
    return [change.path for change in verification.identity]


@pytest.mark.parametrize("way", ["plain", "workers", "resumed"])
def test_an_untouched_run_is_identical(way, small, start, trained, reporter):
    segments = {"checkpoint": {"interval_updates": 2}}
    spec = small(trainer={"num_workers": 2 if way == "workers" else 1, **segments})
    if way == "resumed":
        run = start(spec)
        with pytest.raises(Cancelled):
            run_stage("train", run, Until(3))
        run_stage("train", run, reporter)
    else:
        run, _ = trained(spec)
    before = sorted(run.path.rglob("*"))
    found = verify(run, reporter)
    assert (found.verdict, found.bits_identical, found.updates) == ("identical", True, 4)
    assert found.found_weights == found.recorded_weights
    assert found.suspect is None
    assert sorted(run.path.rglob("*")) == before


def test_the_first_updates_alone_follow_the_schedule_of_the_whole(small, trained, reporter):
    run, _ = trained(small(trainer={"optimizer": {"schedule": "linear"}}))
    found = verify(run, reporter, updates=2)
    assert (found.verdict, found.updates, found.recorded_updates, found.found_weights) == ("identical", 2, 4, None)
    assert verify(run, reporter, updates=0).bits_identical is None


def test_another_seed_parts_in_the_first_update_and_names_its_streams(small, trained):
    run, _ = trained(small())
    found = verified(run, "--set", "controls.seed=1", code=1)
    assert found.divergence is not None
    assert (found.divergence.update, found.divergence.tensor) == (1, "rollout.actions")
    assert "random" in found.divergence.groups
    assert found.suspect is not None
    assert "a stream of random numbers" in found.suspect
    assert paths(found) == ["controls.seed"]
    assert found.updates == 0


def test_one_more_thread_is_named(small, trained):
    run, _ = trained(small(**WIDE))
    found = verified(run, "--set", "system.torch_threads=2", code=1)
    assert paths(found) == ["system.torch_threads", "torch_threads"]
    text = "\n".join(found.lines())
    assert "torch_threads: 1 → 2" in text
    assert ("bit for bit the same, but 2 conditions differ" in text) == bool(found.bits_identical)


def imported(small, start, tmp_path, monkeypatch, reporter, name) -> tuple[RunDirectory, Path]:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / f"{name}.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(folder))
    run = start(small(overrides={"train.compute_advantage": {"imported": {"target": f"{name}:Mine"}}}))
    assert run_stage("train", run, reporter).status == "succeeded"
    return run, folder / f"{name}.py"


def test_a_users_file_that_changed_since_does_not_matter(small, start, tmp_path, monkeypatch, reporter):
    run, file = imported(small, start, tmp_path, monkeypatch, reporter, "mine_kept")
    file.write_text(OWN.replace("SCALE = 1.0", "SCALE = 1.5"))
    assert verified(run, code=0, path=str(file.parent)).updates == 4


def test_the_changed_source_of_an_imported_op_is_named(small, start, tmp_path, monkeypatch, reporter):
    run, _ = imported(small, start, tmp_path, monkeypatch, reporter, "mine_changed")
    (run.source / "mine_changed.py").write_text(OWN.replace("* np.float32(SCALE)", "* np.float32(SCALE * 1.5)"))
    found = verified(run, code=1)
    assert found.divergence is not None
    assert (found.divergence.update, found.divergence.tensor) == (1, "targets.advantages")
    assert "random" not in found.divergence.groups
    assert paths(found) == ["ops.train.compute_advantage"]
    assert [damage.path for damage in found.damage] == ["source/mine_changed.py"]
    assert "ops.train.compute_advantage" in list(found.lines())[-1]
    assert "compute_advantage" in (found.suspect or "")


def test_a_changed_digest_of_a_registered_op_is_named_though_the_bits_are_identical(small, trained):
    run, _ = trained(small())
    edit(
        run.manifest_file("train"), lambda data: data["ops"]["train.compute_advantage"].update(source_digest="sha256:0")
    )
    found = verified(run, code=1)
    assert (found.bits_identical, paths(found)) == (True, ["ops.train.compute_advantage"])
    assert next(found.lines()).endswith("bit for bit the same, but 1 condition differs")


def test_another_version_of_a_package_is_named(small, trained):
    run, _ = trained(small())
    edit(run.manifest_file("train"), lambda data: data["environment"]["packages"].update(numpy="1.0"))
    found = verified(run, code=1)
    assert (found.bits_identical, paths(found)) == (True, ["packages.numpy"])
    assert any("packages.numpy: 1.0 → " in line for line in found.lines())


def test_a_changed_file_of_the_trainer_is_named_and_no_verdict(small, trained, reporter):
    run, _ = trained(small())
    edit(run.manifest_file("train"), lambda data: data["code"].update(files="sha256:0", commit="0" * 40))
    files = run.stage("train") / "code_files.json"
    edit(files, lambda data: data.update({"trainer/engine/update.py": "sha256:0"}))
    found = verify(run, reporter, updates=1)
    assert [change.path for change in found.conditions.code] == ["commit", "trainer/engine/update.py"]
    assert [damage.path for damage in found.damage] == ["train/code_files.json"]
    assert found.identity == ()


def test_a_flipped_bit_of_a_weight_is_found_in_the_checkpoint_and_named(small, trained, reporter):
    run, manifest = trained(small())
    file = run.path / manifest.checkpoint.path
    state = torch.load(file, weights_only=True)
    weights = state["policy"]["head.layer.bias"].view(torch.int32)
    weights[0] ^= 1
    torch.save(state, file)
    found = verify(run, reporter, updates=1)
    (damage,) = found.damage
    assert (found.verdict, found.bits_identical) == ("different", True)
    assert damage.path == manifest.checkpoint.path
    assert damage.why.endswith("; changed: policy.head.layer.bias")


@pytest.mark.parametrize(("cut", "why"), [(-9, "line 4 is torn"), (0, "ends after update 3 of 4")])
def test_a_truncated_digest_log_is_named_and_the_rest_compared(cut, why, small, trained, reporter):
    run, _ = trained(small())
    text = run.digests_file.read_text()
    run.digests_file.write_text(text[: cut or text.index('{"update": 4')])
    found = verify(run, reporter)
    assert (found.verdict, found.updates, found.bits_identical) == ("different", 3, True)
    assert any(damage.path == "train/digests.jsonl" and why in damage.why for damage in found.damage)


def test_a_digest_that_was_edited_breaks_the_chain(small, trained, reporter):
    run, _ = trained(small())
    lines = run.digests_file.read_text().splitlines()
    edited = json.loads(lines[1])
    edited["digests"]["policy.head.layer.bias"] = "0" * 16
    run.digests_file.write_text("\n".join([lines[0], json.dumps(edited), *lines[2:]]) + "\n")
    found = verify(run, reporter)
    assert found.updates == 1
    assert any("line 2 is torn or was changed" in damage.why for damage in found.damage)


def test_missing_and_edited_files_are_named(small, trained, reporter):
    run, _ = trained(small())
    run_stage("evaluate", run, reporter)
    run.metrics_file.unlink()
    edit(run.manifest_file("train"), lambda data: data.update(instance_name="other"))
    why = {damage.path: damage.why for damage in verify(run, reporter, updates=0).damage}
    assert why["train/metrics.jsonl"] == "is missing"
    assert "is not the one that evaluate recorded" in why["train/manifest.json"]


@pytest.mark.parametrize("kind", ["nothing", "no digests", "function", "stage", "spec", "package"])
def test_what_cannot_be_compared_is_refused(kind, small, start, trained, reporter):
    if kind == "nothing":
        run = start(small())
    else:
        run, _ = trained(small())
    manifest, words = run.manifest_file("train"), {"nothing": "no such file", "no digests": "no update is on record"}
    if kind == "no digests":
        run.digests_file.unlink()
    elif kind in ("function", "stage"):
        path = "train.compute_advantage" if kind == "function" else "train"
        choice = {path: {"function": {"label": "m:<lambda>", "digest": "sha256:0"}}}
        if kind == "stage":
            choice = {path: {"imported": {"target": "json:loads", "params": {}}}}
        edit(manifest, lambda data: data["spec"].update(overrides=choice))
        words |= {"function": "a function of the process that made this run", "stage": "was replaced as a whole"}
    elif kind == "spec":
        edit(manifest, lambda data: data["spec"]["trainer"].update(batch_size=-1))
        words |= {"spec": "trainer.batch_size = -1"}
    elif kind == "package":
        env = {"id": "NotInstalled-v0", "kwargs": {}}
        edit(
            manifest,
            lambda data: (
                data["spec"].update(eval_configs={}) or data["spec"]["trainer"]["curriculum"]["env"].update(env)
            ),
        )
        words |= {"package": "NotInstalled-v0"}
    with pytest.raises(Refused, match=words[kind]):
        verify(run, reporter)


def test_the_first_tensor_is_that_of_the_recorded_order():
    found = divergence(3, {"rollout.a": "1", "policy.b": "2", "random.c": "3"}, {"rollout.a": "1", "random.c": "4"})
    assert found is not None
    assert (found.update, found.tensor, found.groups, found.found) == (3, "policy.b", ("policy", "random"), None)
    assert divergence(1, {"a": "1"}, {"a": "1"}) is None


def test_what_the_run_profiled_is_left_as_it_is(small, trained, reporter, tmp_path):
    profiler = {"interval_updates": 1, "profile_dir": str(tmp_path / "profiles")}
    run, _ = trained(small(trainer={"profiler": profiler}))
    before = sorted((file, file.stat().st_mtime_ns) for file in (tmp_path / "profiles").iterdir())
    assert verify(run, reporter, updates=1).verdict == "identical"
    assert sorted((file, file.stat().st_mtime_ns) for file in (tmp_path / "profiles").iterdir()) == before
