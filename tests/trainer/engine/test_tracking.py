"""Tracking: real offline W&B, and trackers that fail without failing the training."""

from trainer.contract import RunDirectory
from trainer.engine.tracking import Forgiving, NoTracker, tracking


class Breaks(NoTracker):
    """A tracker whose third call fails."""

    calls = 0

    def log(self, metrics):
        self.calls += 1
        if self.calls == 3:
            raise ConnectionError("gone")


def test_a_failing_tracker_is_reported_once_and_never_called_again(reporter):
    broken = Breaks()
    tracker = Forgiving(lambda: broken, reporter)
    for _ in range(9):
        tracker.log({})
    tracker.close(0)
    assert broken.calls == 3
    assert reporter.lines == ["tracking stopped, training goes on: ConnectionError: gone"]


def test_a_tracker_that_cannot_be_made_is_reported_and_training_goes_on(reporter):
    def unreachable():
        raise OSError("no network")

    Forgiving(unreachable, reporter).log({})
    assert reporter.lines == ["tracking stopped, training goes on: OSError: no network"]


def test_offline_tracking_leaves_a_wandb_file_in_the_run_directory(small, trained, reporter):
    run, manifest = trained(small(wandb={"mode": "offline"}))
    assert manifest.status == "succeeded"
    assert reporter.lines == []
    files = list((run.path / "train" / "wandb").rglob("*.wandb"))
    assert [path.stem for path in files] == [f"run-{run.instance_name}"]


def test_disabled_tracking_writes_nothing(small, reporter, tmp_path):
    run = RunDirectory(tmp_path / "run")
    with tracking(small(wandb={"mode": "disabled"}), run, "train", reporter) as tracker:
        tracker.log({"losses/entropy": 1.0})
    assert not (tmp_path / "run").exists()
