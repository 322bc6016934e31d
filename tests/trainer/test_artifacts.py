"""A run whose machine is gone goes on elsewhere from what was brought to its mirror, whatever moment that was."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem

from tests.held.held import Hold
from trainer.artifacts import ArtifactsLost, NoMirror, StoredMirror, mirror_of
from trainer.contract import Progress, Refused, RunDirectory, Superseded, begin_attempt, read_manifest
from trainer.file_store import FileStore
from trainer.stopping import Cancelled


class Breaking(LocalFileSystem):
    """This machine's files, until so many have been written."""

    protocol = "breaking"
    cachable = False
    left = 10**9

    def put_file(self, *arguments, **options):
        Breaking.left -= 1
        if Breaking.left < 0:
            raise OSError("no route to host")
        return super().put_file(*arguments, **options)

    def pipe_file(self, *arguments, **options):
        if Breaking.left <= 0:
            raise PermissionError("read only")
        return super().pipe_file(*arguments, **options)

    @classmethod
    def _strip_protocol(cls, path):
        return LocalFileSystem._strip_protocol(path.removeprefix("breaking://"))


fsspec.register_implementation("breaking", Breaking, clobber=True)


@pytest.fixture
def breaking(tmp_path):
    Breaking.left = 10**9
    yield f"breaking://{tmp_path}/kept"
    Breaking.left = 10**9


@pytest.fixture(params=["path", "memory", "url"])
def address(request, tmp_path) -> str:
    return {"path": f"{tmp_path}/kept", "memory": f"memory://{uuid4().hex}", "url": f"file://{tmp_path}/kept"}[
        request.param
    ]


class Voice:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def progress(self, progress: Progress) -> None:
        pass

    def log(self, message: str) -> None:
        self.said.append(message)


def progress(done: int, saved: bool) -> Progress:
    return Progress(stage="train", done=done, total=100, steps_per_second=1, eta_seconds=1, saved=saved)


def begun(place: Path, name: str = "run") -> RunDirectory:
    run = RunDirectory(place / name)
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    run.spec_file.write_text("name: x\n")
    begin_attempt(run, "train", None)
    return run


def trained_to(run: RunDirectory, update: int, keep: int = 2) -> None:
    """What training leaves after an update that was saved."""
    with run.metrics_file.open("a") as metrics:
        metrics.writelines(json.dumps({"update": n}) + "\n" for n in range(lines_of(run.metrics_file) + 1, update + 1))
    (run.checkpoints / f"update_{update:06d}.pt").write_text(f"state {update}")
    for old in sorted(run.checkpoints.glob("*.pt"))[:-keep]:
        old.unlink()


def lines_of(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def content(run: RunDirectory) -> dict[str, str]:
    return {run.relative(file): file.read_text() for file in run.path.rglob("*") if file.is_file()}


def mirror(address: str, run: RunDirectory) -> StoredMirror:
    return StoredMirror(address, run, "train", pauses=(0, 0, 0))


def test_what_is_pushed_is_pulled_elsewhere(tmp_path, address):
    here, there = begun(tmp_path / "here"), RunDirectory(tmp_path / "there" / "run")
    first = mirror(address, here)
    for update in (1, 2, 3):
        trained_to(here, update)
        first.push()
    mirror(address, there).pull()
    assert content(there) == content(here)
    assert [file.name for file in sorted(there.checkpoints.iterdir())] == ["update_000002.pt", "update_000003.pt"]


def test_only_what_has_changed_is_pushed(tmp_path, breaking):
    run = begun(tmp_path / "here")
    trained_to(run, 1)
    pushing = mirror(breaking, run)
    pushing.push()
    trained_to(run, 2)
    Breaking.left = 2
    pushing.push()
    Breaking.left = 0
    pushing.push()


@pytest.mark.parametrize("puts", range(3))
def test_a_mirror_that_was_cut_off_anywhere_can_be_gone_on_from(tmp_path, breaking, puts):
    here, there = begun(tmp_path / "here"), RunDirectory(tmp_path / "there" / "run")
    pushing = mirror(breaking, here)
    trained_to(here, 1)
    pushing.push()
    trained_to(here, 2)
    here.manifest_file("train").write_text("{}")
    Breaking.left = puts
    with pytest.raises(ArtifactsLost):
        pushing.push()
    Breaking.left = 10**9
    mirror(breaking, there).pull()
    newest = max(file.name for file in there.checkpoints.iterdir())
    assert lines_of(there.metrics_file) >= int(newest[7:13])
    assert not there.manifest_file("train").exists()
    pushing.push()
    mirror(breaking, there).pull()
    assert there.manifest_file("train").exists()


def test_an_attempt_that_was_taken_over_brings_nothing_there(tmp_path, address):
    old = begun(tmp_path / "old")
    trained_to(old, 1)
    pushing = mirror(address, old)
    pushing.push()
    new = RunDirectory(tmp_path / "new" / "run")
    taking_over = mirror(address, new)
    taking_over.pull()
    begin_attempt(new, "train", None)
    taking_over.push()
    trained_to(old, 2)
    with pytest.raises(Superseded):
        pushing.push()
    third = RunDirectory(tmp_path / "third" / "run")
    mirror(address, third).pull()
    assert content(third) == content(new)


def test_a_directory_that_knows_all_attempts_gets_only_what_it_lacks(tmp_path, address):
    run = begun(tmp_path / "here")
    trained_to(run, 1)
    mirror(address, run).push()
    trained_to(run, 2)
    newer = content(run)
    (run.checkpoints / "update_000001.pt").unlink()
    mirror(address, run).pull()
    assert content(run) == newer


def test_a_directory_that_does_not_know_the_last_attempt_becomes_what_the_mirror_is(tmp_path, address):
    old = begun(tmp_path / "old")
    trained_to(old, 1)
    mirror(address, old).push()
    new = RunDirectory(tmp_path / "new" / "run")
    pushing = mirror(address, new)
    pushing.pull()
    begin_attempt(new, "train", None)
    trained_to(new, 2)
    pushing.push()
    trained_to(old, 3)
    mirror(address, old).pull()
    assert content(old) == content(new)


def test_a_checkpoint_that_cannot_be_brought_there_is_told_of_and_goes_with_the_next(tmp_path, breaking):
    run, voice = begun(tmp_path / "here"), Voice()
    feeding = mirror(breaking, run).fed_by(voice)
    trained_to(run, 1)
    Breaking.left = 1
    feeding.progress(progress(1, saved=True))
    assert len(voice.said) == 1 and "no route to host" in voice.said[0]
    Breaking.left = 10**9
    feeding.progress(progress(2, saved=False))
    trained_to(run, 3)
    feeding.progress(progress(3, saved=True))
    there = RunDirectory(tmp_path / "there" / "run")
    mirror(breaking, there).pull()
    assert content(there) == content(run) and len(voice.said) == 1


def test_files_of_a_stage_that_ended_well_are_brought_there_or_the_stage_fails(tmp_path, breaking):
    run, voice = begun(tmp_path / "here"), Voice()
    keeping = mirror(breaking, run)
    Breaking.left = 0
    with pytest.raises(ArtifactsLost, match=f"no route to host.*lie in {run.path}"), keeping.kept(voice.log):
        pass
    assert len(voice.said) == 2
    Breaking.left = 10**9
    with keeping.kept(voice.log):
        trained_to(run, 1)
    assert (tmp_path / "kept/run/train/metrics.jsonl").exists()


@pytest.mark.parametrize("ending", [RuntimeError, Cancelled])
def test_files_of_a_stage_that_did_not_end_well_are_brought_there_too(tmp_path, breaking, ending):
    run, voice = begun(tmp_path / "here"), Voice()
    with pytest.raises(ending), mirror(breaking, run).kept(voice.log):
        run.manifest_file("train").write_text("{}")
        raise ending
    assert (tmp_path / "kept/run/train/manifest.json").exists()
    Breaking.left = 0
    run.manifest_file("train").write_text("{ }")
    with pytest.raises(ending), mirror(breaking, run).kept(voice.log):
        raise ending
    assert "no route to host" in voice.said[-1]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("{tmp_path}/file/kept", "cannot be used: (NotADirectory|FileExists)Error"),
        ("s3://bucket/kept", "s3fs"),
        ("nowhere://bucket", "Protocol not known"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_computed(tmp_path, address, words):
    (tmp_path / "file").touch()
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(Refused, match=f"AXIOM_ARTIFACTS.*{words}"):
        mirror(address.format(tmp_path=tmp_path), run).pull()
    assert not run.path.exists()


def test_a_place_that_can_be_read_but_not_written_is_refused_too(tmp_path, breaking):
    mirror(breaking, begun(tmp_path / "here")).push()
    Breaking.left = 0
    with pytest.raises(Refused, match=r"AXIOM_ARTIFACTS.*read only"):
        mirror(breaking, RunDirectory(tmp_path / "there" / "run")).pull()


def test_without_an_address_there_is_no_mirror(tmp_path):
    run, voice = RunDirectory(tmp_path / "run"), Voice()
    none = mirror_of({"AXIOM_ARTIFACTS": ""}, run, "train")
    none.pull()
    with none.kept(voice.log):
        assert none.fed_by(voice) is voice
    assert isinstance(none, NoMirror) and not run.path.exists()


def test_a_store_shows_no_file_that_is_being_written(tmp_path):
    store = FileStore(str(tmp_path), "kept")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/.half.123").touch()
    (tmp_path / "whole").write_text("whole")
    store.try_to_write()
    store.put(tmp_path / "whole", "deep/whole")
    assert store.sizes() == {"deep/whole": 5}
    assert (store.read("deep/whole"), store.read("none")) == (b"whole", None)
    store.remove("deep/whole")
    store.remove("deep/whole")
    assert store.sizes() == {}


SPEC = """\
# @package _global_
trainer:
  curriculum: {env: {id: CartPole-v1}}
  total_timesteps: 16384
  batch_size: 256
  minibatch_size: 64
  checkpoint: {interval_updates: 4, keep: 2}
wandb: {mode: disabled}
"""


def machine(place: Path, artifacts: Path | str, hold: Hold) -> subprocess.Popen[str]:
    """A new machine: nothing on it but the code and the experiment."""
    file = place / "configs" / "experiments" / "small-1.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(f"{SPEC}overrides: {json.dumps(hold.overrides)}\n")
    paths = os.pathsep.join([str(Path(__file__).parents[2]), hold.environment["PYTHONPATH"]])
    environment = {**os.environ, "PYTHONPATH": paths, "AXIOM_HOME": str(place), "AXIOM_ARTIFACTS": str(artifacts)}
    command = [sys.executable, "-P", "-m", "trainer", "train", "+experiments=small-1"]
    return subprocess.Popen(
        command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def ended(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=120)
    return output


@pytest.mark.slow
def test_a_training_whose_machine_was_lost_ends_elsewhere_as_if_nothing_had_happened(tmp_path):
    kept, hold = tmp_path / "kept", Hold(tmp_path / "hold")
    hold.at({"small-1": 6})
    first = machine(tmp_path / "one", kept, hold)
    until = time.monotonic() + 60
    while not list(kept.glob("small-1/train/checkpoints/update_*.pt")):
        assert first.poll() is None and time.monotonic() < until, ended(first)
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    ended(first)
    hold.release()
    shutil.rmtree(tmp_path / "one")
    second = machine(tmp_path / "two", kept, hold)
    output = ended(second)
    assert second.returncode == 0 and "of an earlier attempt" in output, output
    alone = machine(tmp_path / "alone", "", hold)
    assert ended(alone) and alone.returncode == 0
    manifests = [
        read_manifest(folder / "train/manifest.json") for folder in (kept / "small-1", tmp_path / "alone/runs/small-1")
    ]
    assert manifests[0].weights_digest == manifests[1].weights_digest
    assert [manifest.attempt for manifest in manifests] == [2, 1]
    assert lines_of(kept / "small-1/train/digests.jsonl") == 64
    third = machine(tmp_path / "three", kept, hold)
    assert "has succeeded already" in ended(third) and third.returncode == 0
