"""Files of a run: whole or not at all, and known by their digest."""

import importlib
import json
import sys
from datetime import UTC, datetime

import pytest

from trainer.contract import (
    Artifact,
    Interval,
    Manifest,
    Refused,
    RunDirectory,
    SimulationResult,
    atomic_file,
    create_experiment,
    file_digest,
    read_manifest,
    write_text,
)

EMPTY_SHA256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.fixture
def manifest() -> Manifest:
    spec, now = create_experiment(), datetime.now(UTC)
    return Manifest(
        stage="train",
        instance_name="run",
        status="succeeded",
        started_at=now,
        ended_at=now,
        spec=spec.plain(),
        spec_hash=spec.spec_hash,
        metrics={"reward": 1.5, "missing": None},
    )


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as temporary:
        temporary.write_text("new")
        raise KeyboardInterrupt
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("file", "old")]


def test_a_file_is_not_there_before_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "file"
    with atomic_file(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
    assert path.read_text() == "half"


def test_a_written_manifest_is_read_as_the_same(manifest, tmp_path):
    path = manifest.write(RunDirectory(tmp_path / "run"))
    assert path == tmp_path / "run" / "train" / "manifest.json"
    assert read_manifest(path) == manifest
    assert read_manifest(path).digest == manifest.digest


def test_any_change_of_a_manifest_changes_its_digest(manifest):
    changed = manifest.model_copy(update={"metrics": {"reward": 1.5000001, "missing": None}})
    assert changed.digest != manifest.digest


def test_a_torn_missing_or_foreign_manifest_is_refused(manifest, tmp_path):
    path = manifest.write(RunDirectory(tmp_path / "run"))
    path.write_text(path.read_text()[:-40])
    with pytest.raises(Refused, match="torn or was edited"):
        read_manifest(path)
    path.write_text(json.dumps({"stage": "train"}))
    with pytest.raises(Refused, match="instance_name"):
        read_manifest(path)
    path.unlink()
    with pytest.raises(Refused, match="did this stage finish"):
        read_manifest(path)


def test_an_artifact_is_recorded_relative_to_its_run_with_size_and_digest(tmp_path):
    run = RunDirectory(tmp_path / "run")
    file = run.stage("train") / "empty"
    write_text(file, "")
    assert Artifact.of(file, run) == Artifact(path="train/empty", uri=file.as_uri(), size_bytes=0, sha256=EMPTY_SHA256)
    assert file_digest(file) == EMPTY_SHA256


def test_the_run_directory_is_filled_into_paths(tmp_path):
    run = RunDirectory(tmp_path / "run")
    assert run.resolve("${run_dir}/replays") == tmp_path / "run" / "replays"
    assert str(run.resolve("/elsewhere")) == "/elsewhere"


def test_modules_are_imported_from_a_runs_source_first_and_only_while_the_block_runs(tmp_path, monkeypatch):
    run, elsewhere, before = RunDirectory(tmp_path / "run"), tmp_path / "elsewhere", list(sys.path)
    for folder, text in ((elsewhere, "WHERE = 'elsewhere'\n"), (run.source, "WHERE = 'source'\n")):
        write_text(folder / "kept_by_a_run.py", text)
    monkeypatch.syspath_prepend(elsewhere)
    with pytest.raises(KeyboardInterrupt), run.source_first():
        assert importlib.import_module("kept_by_a_run").WHERE == "source"
        raise KeyboardInterrupt
    assert sys.path == [str(elsewhere), *before]
    del sys.modules["kept_by_a_run"]
    assert importlib.import_module("kept_by_a_run").WHERE == "elsewhere"
    del sys.modules["kept_by_a_run"]


def test_a_runs_source_stays_first_until_the_outer_of_two_blocks_ends(tmp_path):
    run, before = RunDirectory(tmp_path / "run"), list(sys.path)
    with run.source_first():
        with run.source_first():
            pass
        assert sys.path == [str(run.source), *before]
    assert sys.path == before


@pytest.mark.parametrize(
    ("agent", "random", "apart", "times"),
    [
        ((5, 4, 6), (1, 0, 2), True, 5.0),
        ((5, 2, 8), (1, 0, 2), False, 5.0),
        ((1, 0, 2), (5, 4, 6), True, 0.2),
        ((1, 0, 2), (-1, -2, -0.5), True, None),
    ],
)
def test_results_say_how_far_the_agent_is_from_random_play(agent, random, apart, times):
    reward, random_reward = (Interval(mean=mean, low=low, high=high) for mean, low, high in (agent, random))
    result = SimulationResult(
        mean_reward=reward.mean, reward=reward, random_reward=random_reward, episodes=(), random_episodes=()
    )
    assert (result.apart, result.times_random) == (apart, times)
