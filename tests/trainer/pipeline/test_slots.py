"""Steps that take a part of the value and give their result back to it."""

from dataclasses import dataclass, replace

import pytest

from trainer.pipeline import Check, CheckFailed, Method, Pipeline, retry, step_of
from trainer.plain.refusal import Refused


@dataclass(frozen=True)
class State:
    rewards: tuple[float, ...]
    advantages: tuple[float, ...] = ()
    epochs: int = 0

    def earned(self) -> tuple[float, ...]:
        return self.rewards

    def estimated(self, advantages: tuple[float, ...]) -> "State":
        return replace(self, advantages=advantages)

    def count(self) -> int:
        return self.epochs

    def counted(self, epochs: int) -> "State":
        return replace(self, epochs=epochs)


def centred(rewards):
    mean = sum(rewards) / len(rewards)
    return tuple(reward - mean for reward in rewards)


def pipeline() -> Pipeline:
    return Pipeline("update").stage(
        "compute_advantage", centred, expose=True, takes=Method("earned"), gives=Method("estimated")
    )


def test_a_slot_is_given_its_part_and_its_result_goes_back_into_the_value():
    assert pipeline().run(State((1.0, 3.0))) == State((1.0, 3.0), (-1.0, 1.0))


def test_an_override_knows_only_its_own_part():
    seen = []
    changed = pipeline().override("compute_advantage", lambda rewards: seen.append(rewards) or (0.0, 0.0))
    assert changed.run(State((1.0, 3.0))) == State((1.0, 3.0), (0.0, 0.0))
    assert seen == [(1.0, 3.0)]


@pytest.mark.parametrize(
    ("takes", "gives", "result"),
    [(None, None, 6), (lambda x: 10 * x, None, 60), (None, lambda x, y: (x, y), (3, 6)), (abs, divmod, (0, 3))],
)
def test_either_end_of_a_slot_may_be_left_out(takes, gives, result):
    assert Pipeline("p").stage("double", lambda x: 2 * x, takes=takes, gives=gives).run(3) == result
    assert Pipeline("p").io("double", lambda x: 2 * x, takes=takes, gives=gives).run(3) == result
    double = Pipeline("inner").stage("double", lambda x: 2 * x)
    assert Pipeline("p").join("double", double, takes=takes, gives=gives).run(3) == result


def test_a_loop_may_work_on_a_part_of_the_value():
    epoch = Pipeline("epoch").stage("learn", lambda epochs: epochs + 1)
    loop = Pipeline("update").repeat("epochs", epoch, times=4, takes=Method("count"), gives=Method("counted"))
    assert loop.run(State((1.0,))) == State((1.0,), epochs=4)


def test_only_the_function_is_tried_again_and_not_what_it_takes():
    taken, tried = [], []

    def fails_once(x):
        tried.append(x)
        if len(tried) == 1:
            raise OSError("once")
        return x

    io = Pipeline("p").io("load", fails_once, guards=[retry(1)], takes=lambda x: taken.append(x) or x)
    assert io.run(7) == 7
    assert (taken, tried) == ([7], [7, 7])


@pytest.mark.parametrize("broken", [{"takes": Method("missing")}, {"gives": Method("missing")}])
def test_an_error_in_what_a_slot_takes_or_gives_names_its_step(broken):
    with pytest.raises(AttributeError) as error:
        Pipeline("p").stage("compute_loss", lambda x: x, **broken).run(State((1.0,)))
    assert step_of(error.value) == "compute_loss"


def test_exit_checks_hold_the_result_before_it_is_given_back():
    hole = Pipeline("p").require_join("policy", exit_checks=[Check("positive", lambda y: y > 0)])
    with pytest.raises(CheckFailed):
        hole.provide_join("policy", Pipeline("q").stage("negate", lambda x: -x)).run(1)


def test_what_cannot_be_called_is_refused_as_an_end_of_a_slot():
    with pytest.raises(Refused, match=r"p\.step\.takes = 'rewards': must be callable"):
        Pipeline("p").stage("step", abs, takes="rewards")


def test_the_ends_of_a_slot_are_a_part_of_the_fingerprint():
    one = Pipeline("p").stage("step", abs, takes=Method("earned"))
    other = Pipeline("p").stage("step", abs, takes=Method("paid"))
    assert one.fingerprint() != other.fingerprint()
    assert one.fingerprint() == Pipeline("p").stage("step", abs, takes=Method("earned")).fingerprint()


def nested() -> Pipeline:
    optimizer = Pipeline("optimizer").stage("clip", abs, expose=True).stage("step", abs, expose=True)
    train = Pipeline("train").join("optimizer", optimizer, expose=True).stage("report", abs)
    return Pipeline("p").join("train", train, expose=True).stage("step_after", abs, expose=True)


def test_the_last_part_of_a_path_is_enough_where_it_is_unique():
    assert list(nested().override("clip", max).overrides()) == ["train.optimizer.clip"]


def test_the_last_part_of_a_path_that_two_steps_share_is_not_enough():
    two = nested().join("other", Pipeline("other").stage("clip", abs, expose=True))
    with pytest.raises(
        Refused,
        match=r"clip = .*several exposed steps end with it; give one whole: train\.optimizer\.clip, other\.clip",
    ):
        two.override("clip", max)


def test_the_last_part_of_a_path_that_is_not_exposed_is_refused_as_such():
    with pytest.raises(Refused, match=r"report = .*is not exposed"):
        nested().override("report", max)


def test_only_one_step_of_a_pipeline_can_be_run_with_its_paths_and_overrides():
    whole = nested().override("train.optimizer.clip", lambda x: 1 / 0)
    assert whole.only("step_after").run(-3) == 3
    with pytest.raises(ZeroDivisionError) as error:
        whole.only("train").run(1)
    assert step_of(error.value) == "train.optimizer.clip"
    with pytest.raises(Refused, match=r"p\.evaluate = 'evaluate': there is no such step; .*allowed: step_after, train"):
        whole.only("evaluate")


def test_what_runs_in_exposed_steps_is_the_override_or_what_was_declared():
    running = nested().override("clip", max).running()
    assert list(running) == ["train", "train.optimizer", "train.optimizer.clip", "train.optimizer.step", "step_after"]
    assert (running["train.optimizer.clip"], running["step_after"]) == (max, abs)
    assert list(nested().override("train.optimizer", max).running()) == ["train", "train.optimizer", "step_after"]
