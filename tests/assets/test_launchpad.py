"""The Launchpad's config gives the very spec that Python and YAML give, and refuses what they refuse."""

from typing import Any, Literal

import dagster as dg
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from assets.launchpad import launchpad_config, run_config_of
from resources.typed_config import describe
from trainer.contract import (
    FrozenModel,
    OptimizerConfig,
    Refused,
    TrainAndEvalSpec,
    create_experiment,
    create_quick_experiment,
    spec_yaml,
)

# PyYAML reads some control characters back as line breaks; that is the spec file's matter, not the Launchpad's.
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=20)


@dg.op(config_schema=launchpad_config())
def train(context: dg.OpExecutionContext) -> None:
    """Nothing: only its config matters."""


@dg.job
def only_train() -> None:
    train()


def through_dagster(config: dict[str, Any] | None) -> TrainAndEvalSpec:
    """The spec that the step gets."""
    run_config = {} if config is None else {"ops": {"train": {"config": config}}}
    return TrainAndEvalSpec.accept(dg.validate_run_config(only_train, run_config)["ops"]["train"]["config"])


def values(model: type[FrozenModel]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of a model's fields with values inside their bounds; not those whose values depend on each other."""
    fields = {name: value_of(name, info.annotation) for name, info in model.model_fields.items()}
    return st.fixed_dictionaries({}, optional={name: value for name, value in fields.items() if value is not None})


def value_of(name: str, annotation: Any) -> st.SearchStrategy[Any] | None:
    simple: dict[str, st.SearchStrategy[Any]] = {
        "description": WORDS,
        "seed": st.integers(0, 2**32 - 1),
        "deterministic": st.booleans(),
        "learning_rate": st.floats(1e-8, 10) | st.just(1),
        "type": st.sampled_from(["adam", "adamw", "sgd", "muon"]),
        "gamma": st.floats(0, 1),
        "value_clip_coef": st.none() | st.floats(0.1, 2),
        "target_kl": st.none() | st.floats(1e-6, 2),
        "total_timesteps": st.integers(1, 10**12),
        "hidden_sizes": st.lists(st.integers(1, 999), min_size=1, max_size=4),
        "tags": st.lists(WORDS, max_size=3),
        "entity": st.none() | WORDS,
        "heart": st.floats(0, 100),
    }
    if isinstance(annotation, type) and issubclass(annotation, FrozenModel) and name != "arena":
        return values(annotation)
    if name == "eval_configs":
        arena = {"id": "arena", "arena": {"combat": True, "rewards": {"ore": 0.5}}}
        return st.dictionaries(st.sampled_from(["arena/a", "b"]), st.just(arena))
    return simple.get(name)


@settings(max_examples=40, deadline=None)
@given(values(TrainAndEvalSpec))
def test_all_doors_give_the_same_hash(config: dict[str, Any]) -> None:
    in_python = TrainAndEvalSpec.accept(config)
    from_yaml = TrainAndEvalSpec.accept(yaml.safe_load(spec_yaml(in_python)))
    assert through_dagster(config).spec_hash == in_python.spec_hash == from_yaml.spec_hash


@pytest.mark.parametrize("spec", [create_experiment(), create_quick_experiment()])
def test_a_spec_comes_back_exactly_from_its_run_config(spec: TrainAndEvalSpec) -> None:
    assert through_dagster(run_config_of(spec)["ops"]["train"]["config"]) == spec


def test_a_gymnasium_environments_free_arguments_come_back() -> None:
    env = {"id": "CartPole-v1", "kwargs": {"max_episode_steps": 7, "nested": {"a": [1, None]}}}
    config = {"trainer": {"num_envs": 8, "curriculum": {"env": env}}}
    assert through_dagster(config) == TrainAndEvalSpec.accept(config)


def test_no_config_is_the_main_job() -> None:
    assert through_dagster(None) == through_dagster({}) == create_experiment()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"trainer": {"batchsize": 1}}, 'unexpected config entry "batchsize" at path root:ops:train:config:trainer'),
        ({"trainer": {"batch_size": "many"}}, "batch_size"),
        ({"trainer": {"optimizer": {"type": "adamax"}}}, "adamax"),
        ({"trainer": {"optimizer": {"learning_rate": -1.0}}}, "learning_rate = -1.0: should be greater than 0"),
        ({"trainer": {"batch_size": 1000, "minibatch_size": 7}}, "is not divisible by minibatch_size = 7"),
        ({"name": "../up"}, "a name is 1 to 80 letters"),
        ({"name": None}, "must not be None"),
        ({"eval_configs": {"far": {"id": "CartPole-v1"}}}, "their observations differ"),
    ],
)
def test_bad_values_are_refused_before_a_run_exists(config: dict[str, Any], words: str) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(dg.DagsterInvalidConfigError) as refused:
            only_train.execute_in_process(run_config={"ops": {"train": {"config": config}}}, instance=instance)
        assert words in str(refused.value)
        assert instance.get_runs() == []


def test_a_schema_shows_every_field_with_its_sentence_and_bounds() -> None:
    assert describe(OptimizerConfig.model_fields["learning_rate"]) == (
        "Step size at the start of training. (> 0, ≤ 10)"
    )
    undescribed = [name for name, field in fields_below(launchpad_config()) if not field.description]
    assert undescribed == []


def fields_below(field: dg.Field, name: str = "config") -> list[tuple[str, dg.Field]]:
    inner = getattr(field.config_type, "fields", None) or {}
    return [(name, field), *(found for key, value in inner.items() for found in fields_below(value, f"{name}.{key}"))]


def test_a_field_that_dagster_cannot_show_is_named() -> None:
    class Odd(FrozenModel):
        either: int | str = Field(1, description="Two types.")
        choice: Literal["a"] = Field("a", description="One.")

    with pytest.raises(TypeError, match="Odd_either"):
        launchpad_config(Odd)


def test_the_refusal_of_python_and_of_the_launchpad_have_the_same_words() -> None:
    with pytest.raises(Refused) as refused:
        TrainAndEvalSpec.accept({"trainer": {"ppo": {"gamma": 2}}})
    with pytest.raises(dg.DagsterInvalidConfigError) as config_error:
        through_dagster({"trainer": {"ppo": {"gamma": 2}}})
    assert "should be less than or equal to 1" in str(refused.value)
    assert "should be less than or equal to 1" in str(config_error.value)
