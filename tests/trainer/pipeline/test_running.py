import logging
import pickle
import timeit
from typing import Any

import pytest

from trainer.pipeline import Pipeline, step_of


def add_one(x: int) -> int:
    return x + 1


def boom(x: Any) -> Any:
    raise KeyError("lost")


def counting() -> Pipeline:
    return Pipeline("counting").stage("add_one", add_one)


def raised(pipeline: Pipeline, x: Any) -> Exception:
    with pytest.raises(Exception) as error:
        pipeline.run(x)
    return error.value


def test_each_step_gets_what_the_one_before_it_returned() -> None:
    pipeline = Pipeline("p").stage("a", add_one).io("b", lambda x: [x]).stage("c", len).join("d", counting())
    assert pipeline.run(41) == 2


def test_a_pipeline_without_steps_returns_its_input() -> None:
    assert Pipeline("empty").run("x") == "x"


def test_a_loop_ends_after_its_bound_or_when_until_holds() -> None:
    assert Pipeline("p").repeat("loop", counting(), times=5).run(0) == 5
    assert Pipeline("p").repeat("loop", counting(), times=5, until=lambda x: x == 3).run(0) == 3
    assert Pipeline("p").repeat("loop", counting(), times=5, until=lambda x: True).run(0) == 1


def test_a_branch_takes_one_arm_and_without_otherwise_lets_the_value_pass() -> None:
    negate = Pipeline("negate").stage("negate", lambda x: -x)
    both = Pipeline("p").branch("sign", lambda x: x < 0, negate, counting())
    one = Pipeline("p").branch("sign", lambda x: x < 0, negate)
    assert (both.run(-2), both.run(2)) == (2, 3)
    assert (one.run(-2), one.run(2)) == (2, 2)


def test_a_map_gives_a_list_of_any_iterable() -> None:
    pipeline = Pipeline("p").map("each", counting())
    assert pipeline.run(range(3)) == [1, 2, 3]
    assert pipeline.run(x for x in (5,)) == [6]
    assert pipeline.run(()) == []


def test_an_error_keeps_its_type_and_text_and_carries_the_path_as_a_note() -> None:
    updates = Pipeline("updates").stage("rollout", add_one)
    updates.stage("compute_loss", lambda x: boom(x) if x == 3 else x)
    train = Pipeline("train").repeat("updates", updates, times=10)
    error = raised(Pipeline("experiment").join("train", train), 0)
    assert type(error) is KeyError and error.args == ("lost",)
    assert step_of(error) == "train.updates#3.compute_loss"
    assert error.__notes__ == ["in step train.updates#3.compute_loss"]


def test_nested_loops_and_maps_number_every_level_from_one() -> None:
    body = Pipeline("b").stage("fails", lambda x: boom(x) if x == 7 else x)
    elements = Pipeline("e").map("each", body)
    grown = Pipeline("g").stage("grow", lambda xs: [x + 1 for x in xs]).join("inner", elements)
    error = raised(Pipeline("p").repeat("outer", grown, 4), [1, 5])
    assert step_of(error) == "outer#2.inner.each#2.fails"


def test_the_arm_of_a_branch_is_a_part_of_the_path() -> None:
    fails = Pipeline("f").stage("fails", boom)
    assert step_of(raised(Pipeline("p").branch("pick", bool, fails, counting()), 1)) == "pick.then.fails"
    assert step_of(raised(Pipeline("p").branch("pick", bool, counting(), fails), 0)) == "pick.otherwise.fails"


def test_errors_of_conditions_iterables_and_until_name_their_step() -> None:
    assert step_of(raised(Pipeline("p").branch("pick", boom, counting()), 1)) == "pick"
    assert step_of(raised(Pipeline("p").repeat("loop", counting(), 3, until=boom), 1)) == "loop#1"
    assert step_of(raised(Pipeline("p").map("each", counting()), 3)) == "each"
    assert step_of(raised(Pipeline("p").map("each", counting()), (boom(x) for x in [1]))) == "each"


def test_a_flat_loop_is_named_by_errors_but_not_by_exposure() -> None:
    updates = Pipeline("updates").stage("compute_loss", boom, expose=True)
    train = Pipeline("train").repeat("updates", updates, times=2, flat=True)
    whole = Pipeline("experiment").join("train", train)
    assert whole.exposed() == ("train.compute_loss",)
    assert step_of(raised(whole.copy(), 1)) == "train.updates#1.compute_loss"
    assert whole.override("train.compute_loss", add_one).run(1) == 3


def test_a_second_run_after_a_failure_starts_afresh() -> None:
    pipeline = Pipeline("p").repeat("loop", Pipeline("b").stage("s", lambda x: 1 // x), 2)
    assert step_of(raised(pipeline, 0)) == "loop#1.s"
    assert pipeline.run(1) == 1
    assert step_of(raised(pipeline, 5)) == "loop#2.s"


def test_the_same_error_object_raised_in_two_runs_is_noted_in_both() -> None:
    error = ValueError("one and only")

    def fail(x: Any) -> Any:
        raise error

    pipeline = Pipeline("p").stage("s", fail)
    assert raised(pipeline, 1) is raised(pipeline, 1)
    assert error.__notes__ == ["in step s"] * 2


def test_the_path_survives_pickling_and_is_none_for_other_errors() -> None:
    error = raised(Pipeline("p").stage("s", boom), 1)
    assert step_of(pickle.loads(pickle.dumps(error))) == "s"
    assert step_of(ValueError("elsewhere")) is None


def test_a_step_that_runs_a_pipeline_of_its_own_is_named_by_the_outer_path() -> None:
    inner = Pipeline("inner").stage("deep", boom)
    error = raised(Pipeline("p").stage("outer", inner.run), 1)
    assert error.__notes__ == ["in step deep", "in step outer"]
    assert step_of(error) == "outer"


def test_compiling_twice_gives_one_object_and_a_copy_gives_another() -> None:
    pipeline = counting()
    assert pipeline.compile() is pipeline.compile()
    assert pipeline.copy().compile() is not pipeline.compile()


def test_two_runs_at_once_of_one_compiled_pipeline_are_refused() -> None:
    pipeline = Pipeline("p")
    pipeline.stage("again", pipeline.run)
    with pytest.raises(RuntimeError, match="'p' is running already"):
        pipeline.run(1)


def test_a_log_line_shows_fields_of_mappings_and_of_objects(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "trainer.pipeline")
    value = {"loss": 0.12345, "eval/reward": 3, "deep": {"x": "y"}, "a.b": 1}
    text = "loss {loss:.2f} reward {eval/reward} {deep.x!r} {a.b} {{}}"
    assert Pipeline("p").logf(text).run(value) is value
    Pipeline("p").repeat("r", Pipeline("b").logf("{} has imag {imag} and real {real:.1f}"), 2).run(2)
    assert [record.getMessage() for record in caplog.records] == [
        "logf: loss 0.12 reward 3 'y' 1 {}",
        "r#1.logf: 2 has imag 0 and real 2.0",
        "r#2.logf: 2 has imag 0 and real 2.0",
    ]


def test_a_missing_or_unformattable_field_does_not_fail_the_run(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "trainer.pipeline")
    assert Pipeline("p").logf("{loss:.2f} {name:.2f} {name.first}").run({"name": "x"}) == {"name": "x"}
    assert caplog.messages == ["logf: <no loss> <no name> <no name.first>"]


def test_dispatch_costs_less_than_two_microseconds_a_step() -> None:
    pipeline = Pipeline("p")
    for number in range(100):
        pipeline.stage(f"s{number}", lambda x: x)
    compiled = Pipeline("whole").repeat("loop", pipeline, times=10).compile()
    best = min(timeit.repeat(lambda: compiled(1), number=10, repeat=5)) / 10 / 1000
    assert best < 2e-6
