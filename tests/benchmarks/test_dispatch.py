"""The pipeline does what a loop written by hand does, and costs the calls that its declaration says; free of noise."""

import sys
from pathlib import Path
from types import FrameType

import pytest

from benchmarks.dispatch import NAMES, SHORT, train
from benchmarks.learning import AGENT
from benchmarks.loops import STEPS, Nothing, idle_ops, steps_per_update
from trainer import pipeline
from trainer.algorithm.declaration import train_and_eval
from trainer.contract import TrainAndEvalSpec

# Each more is a call more for every step of every run: raise them only on purpose.
PER_UPDATE, PER_EPOCH, PER_MINIBATCH = 33, 4, 16
PIPELINE = str(Path(pipeline.__file__).parent)


def spec(epochs: int, minibatches: int, updates: int = 1) -> TrainAndEvalSpec:
    size = SHORT["batch_size"] // minibatches
    settings = {**SHORT, "total_timesteps": updates * SHORT["batch_size"], "minibatch_size": size}
    settings["ppo"] = {**SHORT["ppo"], "update_epochs": epochs}
    return TrainAndEvalSpec.accept({"trainer": settings, "agent": AGENT, "wandb": {"mode": "disabled"}})


def frames(epochs: int, minibatches: int, updates: int) -> int:
    """How many functions of the pipeline package a training enters in which no step does anything."""
    run = train_and_eval(idle_ops(), updates, epochs, minibatches).only("train").compile()
    entered = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal entered
        entered += event == "call" and frame.f_code.co_filename.startswith(PIPELINE)

    nothing = Nothing(updates, epochs, minibatches)
    sys.setprofile(count)
    try:
        run(nothing)
    finally:
        sys.setprofile(None)
    return entered


@pytest.mark.parametrize(("epochs", "minibatches"), [(1, 1), (3, 2), (2, 4)])
def test_the_steps_of_an_update_are_as_many_as_its_declaration_says(epochs: int, minibatches: int) -> None:
    steps = [step.path for step in spec(epochs, minibatches).pipeline().steps()]
    outside = {"train", "train.begin", "train.policy", "train.updates", "train.finish", "evaluate", "analyze"}
    assert len(set(steps) - outside) == sum(STEPS)
    of_update, of_epoch, of_minibatch = STEPS
    assert steps_per_update(spec(epochs, minibatches)) == of_update + epochs * (of_epoch + minibatches * of_minibatch)


@pytest.mark.parametrize(("epochs", "minibatches"), [(1, 1), (3, 2), (2, 4)])
def test_an_update_enters_no_more_functions_than_its_steps_need(epochs: int, minibatches: int) -> None:
    one_update = frames(epochs, minibatches, 2) - frames(epochs, minibatches, 1)
    assert one_update == PER_UPDATE + epochs * (PER_EPOCH + minibatches * PER_MINIBATCH)


def test_the_loop_written_by_hand_learns_the_same_weights() -> None:
    digests = {train(spec(2, 4, updates=3), name)[0].weights_digest for name in NAMES}
    assert len(digests) == 1
