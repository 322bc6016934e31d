"""Specs: what they accept, what they refuse and how they say it."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.contract import (
    AxiomControls,
    OptimizerConfig,
    Refused,
    SimulationConfig,
    TorchProfilerConfig,
    TrainAndEvalSpec,
    TrainerConfig,
    create_experiment,
    create_quick_experiment,
    load_experiment_spec,
    save_experiment_spec,
    set_values,
)


@st.composite
def specs(draw: st.DrawFn) -> TrainAndEvalSpec:
    """Specs over the whole range of what is allowed, CartPole and arena."""
    slots = {"num_envs": draw(st.integers(1, 8)), "num_agents": draw(st.integers(1, 12))}
    arena = draw(st.booleans())
    slot_count = slots["num_envs"] * (slots["num_agents"] if arena else 1)
    minibatch = slot_count * draw(st.integers(1, 9))
    kwargs = draw(st.dictionaries(st.sampled_from(["sutton_barto_reward", "depth"]), st.booleans() | st.integers()))
    env = {"id": "arena", "arena": {"num_agents": slots["num_agents"], "combat": draw(st.booleans())}}
    return TrainAndEvalSpec.accept(
        {
            "name": draw(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", fullmatch=True)),
            "description": draw(st.text(max_size=50)),
            "controls": {"seed": draw(st.integers(0, 2**32 - 1)), "deterministic": draw(st.booleans())},
            "trainer": {
                "num_envs": slots["num_envs"],
                "minibatch_size": minibatch,
                "batch_size": minibatch * draw(st.integers(1, 4)) * (2 if minibatch == 1 else 1),
                "curriculum": {"env": env if arena else {"id": "CartPole-v1", "kwargs": kwargs}},
                "optimizer": {
                    "type": draw(st.sampled_from(["adam", "adamw", "sgd", "muon"])),
                    "learning_rate": draw(st.floats(0, 10, exclude_min=True)),
                },
                "ppo": {"target_kl": draw(st.none() | st.floats(1e-300, 1e300))},
            },
            "agent": {"hidden_sizes": draw(st.lists(st.integers(1, 512), min_size=1, max_size=3))},
            "wandb": {"tags": draw(st.lists(st.text(max_size=9), max_size=3)), "notes": draw(st.text(max_size=30))},
        }
    )


@settings(max_examples=60, deadline=None)
@given(specs(), st.sampled_from(["yaml", "yml", "json"]))
def test_a_saved_spec_is_loaded_as_the_same_spec(tmp_path_factory, spec, ending):
    path = tmp_path_factory.mktemp("specs") / f"spec.{ending}"
    loaded = load_experiment_spec(save_experiment_spec(spec, path))
    assert loaded == spec
    assert loaded.spec_hash == spec.spec_hash


@settings(max_examples=60, deadline=None)
@given(specs())
def test_setting_values_to_what_they_are_changes_nothing(spec):
    assignments = [f"controls.seed={spec.controls.seed}", f"trainer.ppo.gamma={spec.trainer.ppo.gamma!r}"]
    assert set_values(spec, assignments).spec_hash == spec.spec_hash


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trainer": {"ppo": {"gama": 0.9}}}, "trainer.ppo: unknown key 'gama'; did you mean 'gamma'?"),
        ({"trainer": {"total_timesteps": "many"}}, "trainer.total_timesteps = 'many': should be a valid integer"),
        ({"trainer": {"ppo": {"gamma": 1.5}}}, "trainer.ppo.gamma = 1.5: should be less than or equal to 1"),
        ({"trainer": {"ppo": {"gamma": float("nan")}}}, "trainer.ppo.gamma = nan"),
        ({"trainer": {"minibatch_size": 1000}}, "batch_size = 8192 is not divisible by minibatch_size = 1000"),
        ({"trainer": {"num_envs": 9}}, "near: 8064 or 8208"),
        ({"trainer": {"num_workers": 9}}, "num_workers = 9 is more than num_envs = 8"),
        ({"trainer": {"curriculum": "env/arena"}}, "no curriculum has this name"),
        ({"trainer": {"curriculum": "../../../etc/passwd"}}, "no curriculum has this name"),
        ({"trainer": {"optimizer": {"type": "adm"}}}, "should be 'adam', 'adamw', 'sgd' or 'muon'"),
        ({"trainer": {"optimizer": {"weight_decay": 0.1}}}, "no effect on adam; use adamw"),
        ({"trainer": {"curriculum": {"env": {"arena": {"width": 5}}}}}, "enlarge width or height, or place fewer"),
        ({"trainer": {"curriculum": {"env": {"kwargs": {"a": 1}}}}}, "the arena's parameters stand under 'arena'"),
        ({"name": "../x"}, "name = '../x': a name is 1 to 80 letters"),
        ({"name": ""}, "name = ''"),
        ({"name": "x\n"}, "a name is 1 to 80"),
        ({"eval_configs": {"../up": {}}}, "'../up' is no simulation name"),
        ({"eval_configs": {"pole": {"id": "CartPole-v1"}}}, "evaluate in the same kind of environment"),
        ({"trainer": {}, "trainer_config": {}}, "'trainer' is given twice"),
        ({"system": {"device": "tpu"}}, "system.device = 'tpu'"),
        ({"agent": {"core": "gru"}, "trainer": {"minibatch_size": 32}}, "must be a multiple of 64 steps"),
        ({"controls": {"seed": -1}}, "controls.seed = -1"),
        ({"controls": {"seed": True}}, "'seed' is true, not a number"),
        ({"agent": {"hidden_sizes": []}}, "agent.hidden_sizes = []"),
        (
            {"trainer": {"overlap": True}, "overrides": {"rollout": {"imported": {"target": "my_ops:mine"}}}},
            "trainer.overlap: only the declared rollout can be collected while an update is learned",
        ),
        ({"agent": {"precision": "float16"}}, "agent.precision = 'float16': should be 'float32' or 'bfloat16'"),
        ({"system": {"compile": "max"}}, "should be 'none', 'default' or 'reduce-overhead'"),
        (
            {"system": {"device": "cpu", "compile": "reduce-overhead"}},
            "records CUDA graphs, and device = 'cpu' has none; use compile = 'default', or device = 'auto'",
        ),
    ],
)
def test_bad_input_is_refused_with_path_value_and_what_is_allowed(change, message):
    with pytest.raises(Refused) as refused:
        create_experiment(**change)
    assert message in str(refused.value)


def test_all_problems_are_told_at_once():
    with pytest.raises(Refused) as refused:
        TrainAndEvalSpec.accept({"name": "a b", "controls": {"seed": -1}})
    assert [problem.path for problem in refused.value.problems] == ["name", "controls.seed"]


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("trainer.optimizer.learning_rat=1", "did you mean 'learning_rate'?"),
        ("trainer.ppo.gamma.x=1", "which has no fields of its own"),
        ("trainer.ppo.gamma", "not of the form path=value"),
        ("trainer.ppo={gamma: ", "not a YAML value"),
        ("trainer.ppo.gamma=7", "trainer.ppo.gamma = 7: should be less than or equal to 1"),
    ],
)
def test_a_bad_assignment_is_refused(assignment, message):
    with pytest.raises(Refused) as refused:
        set_values(create_experiment(), [assignment])
    assert message in str(refused.value)


def test_long_names_and_scientific_notation_are_understood():
    spec = set_values(create_experiment(), ["trainer_config.optimizer.learning_rate=3e-4"])
    assert spec.trainer.optimizer.learning_rate == 3e-4
    spec = TrainAndEvalSpec.accept({"trainer_config": {"optimizer_config": {"learning_rate": 3e-4}}})
    assert spec == create_experiment(trainer={"optimizer": {"learning_rate": 3e-4}})


def test_simulations_follow_the_training_environment_until_they_are_named():
    spec = set_values(create_experiment(), ["trainer.curriculum.env.arena.width=31"])
    assert {name: env.arena.width for name, env in spec.eval_configs.items()} == {"arena/basic": 31, "arena/combat": 31}
    assert [env.arena.combat for env in spec.eval_configs.values()] == [False, True]
    cartpole = {"curriculum": {"env": {"id": "CartPole-v1"}}}
    assert list(create_experiment(trainer=cartpole).eval_configs) == ["CartPole-v1"]
    named = create_experiment(eval_configs={"mine": {"arena": {"width": 25}}})
    assert set_values(named, ["trainer.curriculum.env.arena.width=31"]).eval_configs == named.eval_configs


def test_a_curriculum_can_be_named_by_its_file():
    named = create_experiment(trainer={"curriculum": "env/mettagrid/curriculum/arena/combat"})
    assert named.trainer.curriculum.env.arena.combat is True


def test_the_sample_of_the_experiments_framework_is_valid():
    trainer = TrainerConfig(
        total_timesteps=50_000_000,
        batch_size=8192,
        minibatch_size=256,
        num_workers=8,
        optimizer=OptimizerConfig(type="muon", learning_rate=0.001),
        simulation=SimulationConfig(replay_dir="${run_dir}/replays"),
        profiler=TorchProfilerConfig(profile_dir="${run_dir}/torch_traces"),
    )
    assert trainer.num_updates == 6104


def test_the_sample_of_the_cookbook_is_valid():
    fields: dict[str, Any] = {
        "name": "my_experiment",
        "trainer_config": create_quick_experiment().trainer,
        "eval_configs": create_quick_experiment().eval_configs,
        "controls": AxiomControls(seed=42),
    }
    assert TrainAndEvalSpec(**fields).controls.seed == 42


def test_the_hash_depends_on_every_value_and_on_nothing_else():
    spec = create_experiment()
    assert spec.spec_hash == TrainAndEvalSpec.accept(json.loads(json.dumps(spec.plain()))).spec_hash
    assert spec.spec_hash == TrainAndEvalSpec.accept(yaml.safe_load(yaml.safe_dump(spec.plain()))).spec_hash
    assert spec.spec_hash != create_experiment(controls={"seed": 1}).spec_hash


def test_a_spec_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        create_experiment().name = "other"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.yaml", None, "no such file"),
        ("spec.txt", "name: x", "a spec file ends in .yaml, .yml or .json"),
        ("spec.yaml", "a: [", "not YAML"),
        ("spec.json", "{", "not JSON"),
        ("spec.yaml", "- 1", "should be a valid dictionary"),
        ("spec.yaml", "trainer: {batchsize: 1}", "did you mean 'batch_size'?"),
    ],
)
def test_a_bad_file_is_refused(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_text(content)
    with pytest.raises(Refused) as refused:
        load_experiment_spec(path)
    assert message in str(refused.value)


def test_every_field_has_a_sentence():
    def undescribed(model: Any, path: str) -> list[str]:
        found = []
        for name, field in model.model_fields.items():
            where = f"{path}.{name}"
            found += [] if (field.description or "").endswith(".") else [where]
            if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
                found += undescribed(field.annotation, where)
        return found

    assert undescribed(TrainAndEvalSpec, "spec") == []


def test_what_rounds_otherwise_is_part_of_the_hash_and_the_gpu_that_is_found_is_not():
    plain = create_experiment()
    assert (plain.agent.precision, plain.system.compile, plain.system.device) == ("float32", "none", "auto")
    changes = (
        {"agent": {"precision": "bfloat16"}},
        *({"system": {"compile": m}} for m in ("default", "reduce-overhead")),
    )
    assert len({plain.spec_hash, *(create_experiment(**change).spec_hash for change in changes)}) == 4
