"""A run that somebody else launched is followed to its end: finished, waiting or running; nothing happens to it."""

import json
import threading
import time
from collections.abc import Iterator
from io import StringIO

import dagster as dg
import pytest
from rich.console import Console
from typer.testing import CliRunner

from axiom_dagster import InProcessCompute, RunHandle, TrainAndEvalExperiment, create_quick_experiment
from axiom_dagster.cli.app import app
from axiom_dagster.cli.display import Display
from axiom_dagster.following import followed
from resources.home import dagster_instance
from trainer.contract import Progress

FAKE = InProcessCompute(module="fake_trainer")


def watch(*words: str):
    return CliRunner().invoke(app, ["watch", *words])


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunHandle]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AXIOM_HOME", str(tmp_path_factory.mktemp("watched")))
        experiment = TrainAndEvalExperiment(create_quick_experiment(description="fail evaluate"))
        yield experiment.run(compute=FAKE)


def test_a_run_that_has_ended_is_summed_up_at_once(failed: RunHandle) -> None:
    ended = watch(failed.run_id[:8], "--json")
    assert ended.exit_code == 1
    answer = json.loads(ended.stdout.splitlines()[-1])
    assert (answer["instance_name"], answer["status"]) == (failed.instance_name, "failed")
    assert "the loss is gone" in ended.stderr


def test_a_run_that_nobody_knows_is_refused_with_the_nearest(failed: RunHandle) -> None:
    unknown = watch(failed.instance_name[:-1] + "x")
    assert unknown.exit_code == 2
    assert f"did you mean '{failed.instance_name}'" in unknown.stderr


def test_all_that_a_run_said_is_heard_once_and_in_order(failed: RunHandle) -> None:
    said = [words for page in followed(failed, poll_seconds=0) for words in page]
    assert [words.text for words in said if words.step == "train" and Progress.read(words.text)] == [
        "train 1/1 (100%)  1 steps/s  ETA 0 s"
    ]
    assert [words.at for words in said] == sorted(words.at for words in said)
    assert any("the loss is gone" in words.text or "failed" in words.text for words in said)
    assert not any(words.text.startswith("[pipes]") for words in said)


def test_a_run_in_the_queue_is_waited_for_until_it_ends(home) -> None:
    config = {"ops": {"train": {"config": {"name": "waiting"}}}}
    with dagster_instance() as instance:
        run = dg.DagsterRun("train_and_eval", run_config=config)
        instance.add_run(run)
        results = []
        thread = threading.Thread(target=lambda: results.append(watch(run.run_id)))
        thread.start()
        time.sleep(1.0)
        assert thread.is_alive()
        instance.report_run_canceled(run)
        thread.join(timeout=30)
    (watched,) = results
    assert watched.exit_code == 1
    assert "waiting-" in watched.stderr and "is queued" in watched.stderr
    assert "cancelled" in watched.stdout


def drawn(display: Display, width: int) -> list[str]:
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(display)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_terminal_shows_each_stage_with_its_pace_and_the_reward_so_far() -> None:
    console = Console(file=StringIO(), width=110, force_terminal=True)
    display = Display(console, lambda: 110)
    now = time.time()
    display.take("train", "train of quick-1: /runs/quick-1", now - 100)
    for number in range(8):
        metrics = {"overview/reward": float(number), "losses/entropy": 1.0}
        words = Progress(
            stage="train",
            done=100 * (number + 1),
            total=800,
            steps_per_second=1234.0,
            eta_seconds=30.0,
            metrics=metrics,
        )
        display.take("train", str(words), now)
    title, train, evaluate, analyze = drawn(display, 110)
    assert title == "quick-1  running"
    assert "100%" in train and "1,234 steps/s" in train and "ETA 0:30" in train
    assert train.endswith("▁▂▃▄▅▆▇█  reward 7")
    assert (evaluate.split(), analyze.split()) == (["·", "evaluate"], ["·", "analyze"])

    display.take("evaluate", "evaluate of quick-1: /runs/quick-1", now - 10)
    display.take("evaluate", "arena/basic: 5.48 (random 3.32)", now)
    display.end("failed")
    title, train, evaluate, _ = drawn(display, 110)
    assert title == "quick-1  failed"
    assert train.startswith("✓") and "took 1:30" in train
    assert evaluate.startswith("✗") and "took 0:10" in evaluate
    assert "evaluate: arena/basic: 5.48 (random 3.32)" in console.file.getvalue()


@pytest.mark.parametrize("width", [110, 80, 60, 40])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    display = Display(Console(file=StringIO(), width=width), lambda: width)
    display.take("train", "train of a-run-of-a-rather-long-name-20260101-000000-abcdef: /runs/1")
    words = Progress(
        stage="train",
        done=5,
        total=10,
        steps_per_second=123456.0,
        eta_seconds=7200.0,
        metrics={"overview/reward": 1.25},
    )
    for _ in range(60):
        display.take("train", str(words))
    assert all(len(line) <= width for line in drawn(display, width))


def test_another_run_begins_with_empty_lines() -> None:
    display = Display(Console(file=StringIO(), width=110), lambda: 110)
    for name in ("one", "two"):
        display.take("train", f"train of {name}: /runs/{name}")
        display.take("analyze", f"analyze of {name}: /runs/{name}")
    display.take("train", "train of three: /runs/three")
    assert drawn(display, 110)[0].startswith("three")
    assert drawn(display, 110)[3].split() == ["·", "analyze"]
