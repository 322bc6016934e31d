"""What a trainer says through a job's log: whole messages from the rank that speaks, and signs of life."""

import io
import json
import os
import random
import subprocess
import sys
import time
from base64 import b64encode
from zlib import compress

import pytest
from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, DAGSTER_PIPES_MESSAGES_ENV_VAR, PipesMessage

from trainer.contract import Progress
from trainer.contract.frames import Assembler, other_text
from trainer.reporters import FrameChannel, Pace, heartbeat, speaks

SPEC = (
    "trainer: {curriculum: {env: {id: CartPole-v1}}, total_timesteps: 512, batch_size: 256, minibatch_size: 64,\n"
    "  monitors: {target: {there: {metric: losses/entropy, value: 0}}}}\n"
    "wandb: {mode: disabled}\n"
)


def parameters(data) -> str:
    return b64encode(compress(json.dumps(data).encode())).decode()


def train_framed(tmp_path, **environment: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "spec.yaml").write_text(SPEC)
    context = {"asset_keys": ["train"], "run_id": "run-1", "extras": {}, "retry_number": 0, "job_name": None}
    pipes = {
        DAGSTER_PIPES_CONTEXT_ENV_VAR: parameters({"data": context}),
        DAGSTER_PIPES_MESSAGES_ENV_VAR: parameters({}),
    }
    words = ["train", "--spec", str(tmp_path / "spec.yaml"), "--run-dir", str(tmp_path / "run")]
    return subprocess.run(
        [sys.executable, "-m", "trainer", *words],
        env={**os.environ, **pipes, "AXIOM_MESSAGES": "frames", **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def message(n: int, text: str = "") -> PipesMessage:
    return {"__dagster_pipes_version": "0.1", "method": "log", "params": {"n": n, "text": text}}


def test_a_trainer_whose_log_is_all_that_comes_back_puts_its_messages_there(tmp_path):
    log, assembler = train_framed(tmp_path).stdout.splitlines(), Assembler()
    messages = [found for line in log for found in assembler.take(line)]
    assert [each["method"] for each in (messages[0], messages[-1])] == ["opened", "closed"]
    progress = [each["params"]["payload"]["progress"] for each in messages if each["method"] == "report_custom_message"]
    assert progress[-1]["done"] == progress[-1]["total"] == 512
    warnings = [each["params"]["message"] for each in messages if each["params"].get("level") == "WARNING"]
    assert [words.split(": ")[:2] for words in warnings] == [["update 1", "monitors.target.there"]]
    assert [line for line in log if other_text(line) is not None] == []


def test_a_rank_that_does_not_speak_says_nothing(tmp_path):
    assert train_framed(tmp_path, RANK="1").stdout == ""
    assert speaks({"RANK": "0"}) and speaks({}) and not speaks({"RANK": "3"})


class Interrupted(io.StringIO):
    """A stream that a signal's exception leaves in the middle of the line that it comes in."""

    lines = 0

    def write(self, text: str) -> int:
        self.lines += 1
        if self.lines == 3:
            super().write(text[:100])
            raise KeyboardInterrupt
        return super().write(text)


def test_a_message_that_a_signal_interrupts_is_finished_before_the_next():
    stream, assembler = Interrupted(), Assembler()
    channel, long = FrameChannel(stream), random.Random(0).randbytes(3000).hex()
    channel.write_message(message(1))
    with pytest.raises(KeyboardInterrupt):
        channel.write_message(message(2, long))
    channel.write_message(message(3))
    received = [found for line in stream.getvalue().splitlines() for found in assembler.take(line)]
    assert received == [message(1), message(2, long), message(3)]
    assert assembler.end() == []


class Pipes:
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.reported = []

    def report_custom_message(self, payload) -> None:
        self.reported.append(payload)


def test_a_heart_beats_while_the_stage_runs_and_not_after():
    pipes = Pipes()
    with heartbeat(pipes, seconds_between=0.05):
        time.sleep(0.4)
    counted = len(pipes.reported)
    assert [each["heartbeat"]["number"] for each in pipes.reported] == list(range(1, counted + 1))
    assert counted >= 2
    time.sleep(0.15)
    assert len(pipes.reported) == counted


def test_progress_comes_at_its_pace_and_at_the_end():
    def progress(done: int) -> Progress:
        return Progress(stage="train", done=done, total=10, steps_per_second=1, eta_seconds=1)

    due = Pace(seconds=60)
    assert [due(progress(done)) for done in (1, 2, 10)] == [True, False, True]
