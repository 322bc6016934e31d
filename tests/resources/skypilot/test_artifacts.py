"""What a job left comes back whole and as it was written, or not at all."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from resources.skypilot.artifacts import bring_back, bring_back_with, require_writable
from trainer.contract import Artifact, Manifest, Refused, RunDirectory, TrainAndEvalSpec, begin_run, read_manifest

SPEC = TrainAndEvalSpec()


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "runs" / "quick-1")
    begin_run(SPEC, run)
    return run


@pytest.fixture
def there(tmp_path: Path) -> RunDirectory:
    """The run directory as a job left it."""
    there = RunDirectory(tmp_path / "bucket" / "quick-1")
    begin_run(SPEC, there)
    files = {"train/checkpoints/final.pt": "weights", "train/metrics.jsonl": "{}\n", "train/wandb/x.log": "unnamed"}
    for name, content in files.items():
        (there.path / name).parent.mkdir(parents=True, exist_ok=True)
        (there.path / name).write_text(content)
    manifest(there)
    return there


def manifest(run: RunDirectory, spec: TrainAndEvalSpec = SPEC) -> Manifest:
    now = datetime.now(UTC)
    elsewhere = run.path.parents[1] / "elsewhere"
    outside = Artifact(path=str(elsewhere), uri=elsewhere.as_uri(), size_bytes=1, sha256="sha256:0")
    written = Manifest(
        stage="train",
        instance_name="quick-1",
        status="succeeded",
        started_at=now,
        ended_at=now,
        spec=spec.plain(),
        spec_hash=spec.spec_hash,
        checkpoint=Artifact.of(run.checkpoints / "final.pt", run),
        artifacts=(Artifact.of(run.metrics_file, run), outside),
    )
    written.write(run)
    return written


def content(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_text() for file in files}


def test_a_bucket_gives_back_what_was_put_there(run: RunDirectory, there: RunDirectory) -> None:
    bring_back(str(there.path.parent), run, "train")
    assert content(run.path) == content(there.path)
    assert read_manifest(run.manifest_file("train")) == read_manifest(there.manifest_file("train"))


def test_a_machine_gives_back_the_same(run: RunDirectory, there: RunDirectory) -> None:
    bring_back_with(lambda folder: shutil.copytree(there.path, folder, dirs_exist_ok=True), run, "train")
    assert content(run.path) == content(there.path)


def test_what_is_here_already_is_not_fetched_again_and_what_is_this_machines_stays(
    run: RunDirectory, there: RunDirectory
) -> None:
    (there.path / "evaluate").mkdir()
    (there.path / "evaluate" / "manifest.json").write_text("old")
    (there.path / "train" / "skypilot").mkdir()
    (there.path / "train" / "skypilot" / "job.json").write_text("theirs")
    bring_back(str(there.path.parent), run, "train")
    before = (run.checkpoints / "final.pt").stat()
    run.metrics_file.write_text("changed here")
    bring_back(str(there.path.parent), run, "train")
    after = (run.checkpoints / "final.pt").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert run.metrics_file.read_text() == "{}\n"
    assert not (run.path / "evaluate").exists() and not (run.stage("train") / "skypilot").exists()


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_file_that_is_not_what_the_manifest_says_is_refused_and_nothing_is_left_half_copied(
    run: RunDirectory, there: RunDirectory, damage: str
) -> None:
    file = there.checkpoints / "final.pt"
    file.write_text("weighty") if damage == "changed" else file.unlink()
    before = content(run.path)
    with pytest.raises(Refused, match=r"artifacts = 'train/checkpoints/final\.pt'") as refused:
        bring_back(str(there.path.parent), run, "train")
    assert {"changed": "changed on the way", "missing": "has not come back"}[damage] in str(refused.value)
    assert content(run.path) == before


def test_the_manifest_of_another_experiment_is_refused(run: RunDirectory, there: RunDirectory) -> None:
    manifest(there, TrainAndEvalSpec(name="other"))
    with pytest.raises(Refused, match="came back for train of quick-1; it is another's"):
        bring_back(str(there.path.parent), run, "train")
    assert not run.manifest_file("train").exists()


def test_what_a_killed_stage_left_comes_back_unchecked(run: RunDirectory, there: RunDirectory) -> None:
    there.manifest_file("train").unlink()
    bring_back(str(there.path.parent), run, "train")
    assert run.metrics_file.read_text() == "{}\n"


def test_a_place_that_can_be_written_to_stays_as_it_was(tmp_path: Path) -> None:
    require_writable(str(tmp_path / "new" / "axiom"))
    assert list((tmp_path / "new" / "axiom").iterdir()) == []
    require_writable("memory://bucket/axiom")


@pytest.mark.parametrize("place", ["/proc/axiom", "nonsense://bucket/axiom"])
def test_a_place_that_cannot_be_written_to_is_refused_with_the_reason(place: str) -> None:
    with pytest.raises(Refused, match=f"skypilot.artifacts = '{place}': cannot be written to: ") as refused:
        require_writable(place)
    assert "check its spelling, rights and credentials" in str(refused.value)
