"""What feeds trackers: each row once and in order, whatever a tracker or the training does."""

import errno
import json
import os
from math import isnan

import pytest

from trainer.contract import read_manifest
from trainer.contract.tracking import Tracking, has_key, read_tracking, resolved_mode
from trainer.engine.tracking.keeping import Kept, follow
from trainer.engine.tracking.orders import CRASHED, Orders
from trainer.engine.tracking.rows import Rows, results_of
from trainer.engine.tracking.tracker import Forgiving, Several


class Remembers:
    """A tracker that keeps what it is given, and fails where it is told to."""

    def __init__(self, fails_at=None, error=None, has=0):
        self.got, self.ended = [], None
        self.next_update = has + 1
        self._fails_at, self._error = fails_at, error or ConnectionError("gone")

    def log(self, row):
        self._fail("log")
        self.got.append(row["update"])
        self.next_update = row["update"] + 1

    def summarize(self, values):
        self.got.append(dict(values))

    def finish(self, exit_code):
        self._fail("finish")
        self.ended = exit_code

    def _fail(self, place):
        if place == self._fails_at:
            raise self._error


def fails():
    raise OSError("no such server")


def fed(*trackers, updates=3):
    """What is said while several trackers get that many rows and are finished."""
    said = []
    several = Several(Forgiving(f"T{number}", make, said.append) for number, make in enumerate(trackers))
    for update in range(1, updates + 1):
        several.log({"update": update, "agent_steps": update})
    several.finish(0)
    return said, several


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (fails, "OSError: no such server"),
        (lambda: Remembers("log"), "ConnectionError: gone"),
        (lambda: Remembers("finish"), "ConnectionError: gone"),
        (lambda: Remembers("log", OSError(errno.ENOSPC, "No space left on device")), "No space left on device"),
    ],
    ids=["init", "log", "finish", "full-disk"],
)
def test_a_tracker_that_fails_is_reported_once_and_the_other_one_goes_on(broken, why):
    other = Remembers()
    said, several = fed(broken, lambda: other)
    assert len(said) == 1
    assert said[0].startswith("tracking stopped, training goes on: T0: ") and why in said[0]
    assert several.problem is not None
    assert (other.got, other.ended) == ([1, 2, 3], 0)


def test_a_tracker_gets_no_row_that_it_has_already():
    resumed, new = Remembers(has=2), Remembers()
    assert fed(lambda: resumed, lambda: new)[0] == []
    assert (resumed.got, new.got) == ([3], [1, 2, 3])


def test_rows_come_each_once_and_only_when_they_are_whole(start, small):
    run = start(small())
    rows = Rows(run)
    assert list(rows.new()) == []
    run.metrics_file.parent.mkdir(exist_ok=True)
    with run.metrics_file.open("w") as file:
        file.write('{"update": 1}\n{"upd')
        file.flush()
        assert [row["update"] for row in rows.new()] == [1]
        file.write('ate": 2, "losses/entropy": NaN}\n')
        file.flush()
        (second,) = rows.new()
    assert second["update"] == 2 and isnan(second["losses/entropy"])
    assert list(rows.new()) == []


def test_orders_are_read_as_they_come_and_a_closed_pipe_is_a_crash():
    end, ours = os.pipe()
    orders = Orders(end)
    orders.wait(0)
    assert (orders.begun, orders.exit_code) == (False, None)
    os.write(ours, b"begin\nen")
    orders.wait(1)
    assert (orders.begun, orders.exit_code) == (True, None)
    os.write(ours, b"d 0\n")
    orders.wait(1)
    assert orders.exit_code == 0
    crashed = Orders(os.pipe()[0])
    os.close(ours)
    crashed = Orders(end)
    crashed.wait(1)
    assert crashed.exit_code == CRASHED
    os.close(end)


def follow_offline(run, said, rows=3):
    """Track a run by TensorBoard alone, in this process."""
    end, ours = os.pipe()
    run.metrics_file.parent.mkdir(exist_ok=True)
    lines = [{"update": n, "agent_steps": 10 * n, "losses/entropy": float("nan")} for n in range(1, rows + 1)]
    run.metrics_file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    os.write(ours, b"begin\nend 0\n")
    kept = Kept(run, "train", {}, said.append)
    follow(kept, Orders(end), {})
    os.close(end)
    os.close(ours)
    return kept


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder))
    found.Reload()
    return {tag: [(each.step, each.value) for each in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def test_tensorboard_has_every_row_once_over_two_attempts(start, small):
    run = start(small(tensorboard={"enabled": True}))
    said = []
    follow_offline(run, said, rows=2)
    kept = follow_offline(run, said, rows=4)
    assert said == []
    steps = [step for step, value in scalars(run.path / "tensorboard")["losses/entropy"] if isnan(value)]
    assert steps == [10, 20, 30, 40]
    assert kept.tracking == read_tracking(run, "train")
    assert (kept.tracking.tensorboard, kept.tracking.updates) == ("tensorboard", 4)


def test_a_folder_that_cannot_be_written_to_is_reported_and_nothing_else_fails(start, small):
    run = start(small(tensorboard={"enabled": True, "log_dir": "${run_dir}/run.yaml/below-a-file"}))
    said = []
    kept = follow_offline(run, said)
    assert len(said) == 1 and "TensorBoard: NotADirectoryError" in said[0]
    assert "NotADirectoryError" in (kept.tracking.problem or "") and kept.tracking.updates == 0


def test_an_evaluation_is_summarized_by_its_simulations(start, small):
    run = start(small())
    assert results_of(run) == {}
    run.stage("evaluate").mkdir()
    result = {"mean_reward": 3.0, "random_reward": {"mean": 1.0}}
    (run.stage("evaluate") / "episodes.json").write_text(json.dumps({"arena/basic": result}))
    assert results_of(run) == {"arena/basic/mean_reward": 3.0, "arena/basic/random_reward": 1.0}


def test_auto_is_online_exactly_where_a_key_is_at_hand(small, tmp_path):
    netrc = tmp_path / ".netrc"
    auto = small(wandb={"mode": "auto"}).wandb
    nothing = {"HOME": str(tmp_path)}
    assert resolved_mode(auto, nothing) == "offline"
    assert resolved_mode(auto, {**nothing, "WANDB_API_KEY": "x"}) == "online"
    assert resolved_mode(small(wandb={"mode": "online"}).wandb, nothing) == "online"
    netrc.write_text("machine api.wandb.ai\n  login user\n  password x\n")
    assert has_key(nothing) and not has_key({**nothing, "WANDB_BASE_URL": "https://wandb.lab"})
    assert resolved_mode(small().wandb, {**nothing, "WANDB_API_KEY": "x"}) == "disabled"


def test_a_manifest_without_tracking_says_none(trained, small):
    run, manifest = trained(small())
    assert read_manifest(run.manifest_file("train")).tracking is manifest.tracking is None
    assert Tracking(mode="offline").waiting == 0
