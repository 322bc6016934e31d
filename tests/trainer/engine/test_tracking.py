"""Tracking of real trainings: by the official client on a server of this machine, offline, and where all goes wrong."""

import json
import sys

import pytest

from tests.resources.wandb.wandb_server import KEY, serving
from trainer.contract import Refused, RunDirectory, TrainAndEvalSpec
from trainer.engine.tracking.companion import Companion, tracking
from trainer.entry import run_stage


@pytest.fixture
def server(monkeypatch):
    """A W&B server whose key this process has."""
    with serving() as server:
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        yield server


def metrics(run):
    return [json.loads(line) for line in run.metrics_file.read_text().splitlines()]


def test_a_run_with_a_key_is_online_with_all_of_its_rows_and_its_evaluation(small, trained, reporter, server):
    asked = {"tags": ["night"], "notes": "why", "log_checkpoints": True, "close_seconds": 120}
    run, manifest = trained(small(wandb={"mode": "auto", **asked}))
    kept = server.run("run")
    assert [row["update"] for row in kept.rows] == [row["update"] for row in metrics(run)] == [1, 2, 3, 4]
    assert kept.rows[-1]["overview/reward"] == metrics(run)[-1]["overview/reward"]
    assert (kept.state, kept.fields["group"], kept.fields["jobType"]) == ("finished", "cartpole", "train")
    assert (kept.fields["tags"], kept.fields["notes"]) == (["night"], "why")
    assert kept.config["axiom"]["commit"] == manifest.code.commit
    config = {key: value for key, value in kept.config.items() if key != "axiom"}
    assert TrainAndEvalSpec.accept(config).plain() == manifest.spec
    tracked = manifest.tracking
    assert (tracked.mode, tracked.run_id, tracked.updates, tracked.waiting) == ("online", "run", 4, 0)
    assert tracked.url == f"{server.url}/lab/axiom/runs/run"
    assert server.artifacts.committed == ["run-checkpoint"]
    assert server.artifacts.files["update_000004.pt"] == (run.checkpoints / "update_000004.pt").read_bytes()
    evaluated = run_stage("evaluate", run, reporter)
    assert server.run("run-evaluate").fields["jobType"] == "evaluate"
    summary = server.run("run-evaluate").summary
    assert summary["CartPole-v1/mean_reward"] == evaluated.eval_results["CartPole-v1"].mean_reward
    assert evaluated.tracking.run_id == "run-evaluate"


@pytest.mark.parametrize("broken", ["silent", "wrong-key", pytest.param("no-network", marks=pytest.mark.slow)])
def test_a_server_that_is_of_no_use_changes_no_weight_and_holds_nothing_up(
    small, trained, reporter, server, monkeypatch, broken
):
    _, alone = trained(small(), "alone")
    server.silent = broken == "silent"
    if broken == "wrong-key":
        monkeypatch.setenv("WANDB_API_KEY", "f" * 40)
    if broken == "no-network":
        monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    seconds = 1 if broken == "silent" else 120
    run, manifest = trained(small(wandb={"mode": "online", "close_seconds": seconds}))
    assert manifest.status == "succeeded"
    assert manifest.weights_digest == alone.weights_digest
    assert len(metrics(run)) == 4
    assert server.runs == {}
    (line,) = reporter.lines
    if broken == "silent":
        assert line.startswith("tracking was not done 1 s after the stage, and was ended; 4 of 4 updates wait")
        assert manifest.tracking.waiting == 4
    else:
        assert "tracking goes on offline, and `axiom sync run` uploads it later" in line
        assert (manifest.tracking.mode, manifest.tracking.waiting) == ("offline", 0)
        assert manifest.tracking.problem in line


def test_offline_tracking_leaves_a_wandb_file_with_every_row(small, trained, reporter):
    from wandb.proto.wandb_internal_pb2 import Record
    from wandb.sdk.internal.datastore import DataStore

    run, manifest = trained(small(wandb={"mode": "offline", "close_seconds": 120}))
    assert reporter.lines == []
    assert (manifest.tracking.mode, manifest.tracking.url) == ("offline", None)
    (file,) = (run.path / manifest.tracking.folder).rglob("*.wandb")
    assert file.stem == "run-run"
    store, steps = DataStore(), []
    store.open_for_scan(str(file))
    while (data := store.scan_data()) is not None:
        record = Record()
        record.ParseFromString(data)
        steps += [item.value_json for item in record.history.item if "agent_steps" in (item.key, *item.nested_key)]
    store.close()
    assert steps == [str(row["agent_steps"]) for row in metrics(run)]


def test_disabled_tracking_starts_nothing_and_writes_nothing(small, reporter, tmp_path):
    run, found = RunDirectory(tmp_path / "run"), {}
    with tracking(small(wandb={"mode": "disabled"}), run, "train", reporter, None, found) as tracked:
        tracked.written()
    assert found == {}
    assert not (tmp_path / "run").exists()


def process(program, reporter):
    return Companion([sys.executable, "-c", program], reporter)


def test_a_tracking_process_that_never_ends_is_ended_and_said(reporter):
    companion = process("import time; time.sleep(3600)", reporter)
    for _ in range(100_000):  # more than a pipe holds
        companion.written()
    assert companion.close(0, 0.2) == "tracking was not done 0.2 s after the stage, and was ended"


def test_nobody_waits_for_a_tracking_process_that_has_handed_all_over_and_still_tidies_up(reporter):
    companion = process("import sys; sys.stdin.readline(); print('done', flush=True); sys.stdin.read()", reporter)
    assert companion.close(0, 60) is None
    assert companion._process.poll() is None
    companion._listener.join()  # which closes the pipe that this process reads to its end
    assert companion._process.returncode == 0
    assert reporter.lines == []


def test_a_tracking_process_that_ends_without_a_word_of_having_handed_over_is_said(reporter):
    companion = process("import sys; sys.stdin.readline()", reporter)
    assert companion.close(0, 60) == "the tracking process ended with exit code 0"


def test_a_tracking_process_that_dies_is_said_and_fails_nothing(reporter):
    companion = process("import sys; print('last words', flush=True); sys.exit(3)", reporter)
    companion._process.wait()
    for _ in range(100):
        companion.written()
    assert companion.close(0, 60) == "the tracking process ended with exit code 3"
    assert reporter.lines == ["last words"]


def test_tensorboard_that_is_not_installed_is_refused_before_anything_is_done(small, start, reporter, monkeypatch):
    run = start(small(tensorboard={"enabled": True}))
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(Refused, match=r"tensorboard\.enabled = True: .*pip install 'axiom_dagster\[tensorboard\]'"):
        run_stage("train", run, reporter)
    assert not run.metrics_file.exists()
