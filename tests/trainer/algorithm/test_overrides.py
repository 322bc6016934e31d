"""Overrides as data: one canonical form, everything else refused by name."""

import sys
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.algorithm.declaration import exposed, slot_of, train_and_eval
from trainer.algorithm.imported import Imported
from trainer.algorithm.overrides import accepted_overrides, choice_of, choices, imported_sources, loaded
from trainer.contract import Refused, TrainAndEvalSpec, create_experiment
from trainer.ops.gae import Gae
from trainer.ops.op import implementations
from trainer.ops.vtrace import VTrace

STEPS = train_and_eval().steps()
PATHS = [step.path for step in STEPS]
HIDDEN = [step.path for step in STEPS if not step.exposed]
REGISTERED = [(path, name) for path in exposed() for name in implementations().get(slot_of(path), {})]


def test_what_is_exposed_is_what_the_design_promises():
    assert exposed() == (
        "analyze",
        "evaluate",
        "train",
        "train.compute_advantage",
        "train.compute_loss",
        "train.compute_reward",
        "train.curriculum",
        "train.optimizer",
        "train.optimizer.adam_step",
        "train.optimizer.clip_gradients",
        "train.policy",
        "train.rollout",
    )


def test_the_last_part_of_every_exposed_path_is_its_own():
    slots = [slot_of(path) for path in exposed()]
    assert len(set(slots)) == len(slots)


def test_every_registered_slot_is_exposed():
    assert set(implementations()) <= {slot_of(path) for path in exposed()}


@pytest.mark.parametrize(
    "short",
    [
        {"compute_advantage": "vtrace"},
        {"compute_advantage": {"vtrace": {}}},
        {"train.compute_advantage": {"vtrace": None}},
        {"train.compute_advantage": {"vtrace": {"c_clip": 1, "rho_clip": 1.0}}},
    ],
)
def test_every_way_to_write_an_override_has_one_form_and_one_hash(short):
    whole = {"train.compute_advantage": {"vtrace": {"rho_clip": 1.0, "c_clip": 1.0}}}
    assert accepted_overrides(short) == whole
    assert create_experiment(overrides=short).spec_hash == create_experiment(overrides=whole).spec_hash


def test_the_order_of_overrides_does_not_matter():
    one = {"compute_loss": "a2c", "compute_advantage": "vtrace"}
    assert list(accepted_overrides(one)) == list(accepted_overrides(dict(reversed(one.items()))))


@pytest.mark.parametrize(("path", "name"), REGISTERED)
def test_overriding_an_exposed_path_changes_one_entry_and_nothing_else_in_the_spec(path, name):
    before, after = create_experiment(), create_experiment(overrides={path: name})
    assert {key for key, value in after.plain().items() if value != before.plain()[key]} == {"overrides"}
    assert list(after.overrides) == [path]
    assert list(after.overrides[path]) == [name]
    assert after.spec_hash != before.spec_hash
    assert TrainAndEvalSpec.accept(after.plain()) == after


@pytest.mark.parametrize("path", HIDDEN)
def test_a_path_that_is_not_exposed_is_refused_with_all_that_is(path):
    for choice in ("vtrace", {"imported": {"target": "my_ops:f"}}):
        with pytest.raises(Refused) as refused:
            create_experiment(overrides={path: choice})
        assert f"{path} = " in str(refused.value)
        assert "is not exposed" in str(refused.value)
        assert f"allowed: {', '.join(exposed())}" in str(refused.value)


@given(st.sampled_from(exposed()), st.data())
def test_a_misspelt_path_is_refused_with_the_nearest_name(path, data):
    at = data.draw(st.integers(0, len(path) - 1))
    misspelt = path[:at] + data.draw(st.sampled_from("xq_")) + path[at + 1 :]
    if misspelt in PATHS:
        return
    with pytest.raises(Refused, match="there is no such step") as refused:
        create_experiment(overrides={misspelt: {"imported": {"target": "my_ops:f"}}})
    assert f"allowed: {', '.join(exposed())}" in str(refused.value)
    if len(path) > 8:
        assert f"did you mean '{path}'?" in str(refused.value)


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        ({"compute_advantage": "vtrac"}, r"compute_advantage = 'vtrac': no such implementation; did you mean 'vtrace'"),
        ({"compute_advantage": "ppo_clip"}, r"no such implementation; .*allowed: gae, imported, monte_carlo"),
        ({"compute_advantage": {"vtrace": {"rho_clop": 1}}}, r"unknown key 'rho_clop'; did you mean 'rho_clip'"),
        ({"compute_advantage": {"vtrace": {"rho_clip": -1}}}, r"compute_advantage\.vtrace\.rho_clip = -1"),
        ({"compute_advantage": {"vtrace": {}, "gae": {}}}, r"must be one implementation with its parameters"),
        ({"compute_advantage": 3}, r"must be one implementation with its parameters"),
        ({"compute_advantage": {"imported": {}}}, r"compute_advantage\.imported\.target.*required"),
        ({"compute_advantage": {"imported": {"target": "no colon"}}}, r"imported\.target = 'no colon'"),
        ({"compute_advantage": "gae", "train.compute_advantage": "gae"}, r"train\.compute_advantage is given twice"),
        ({"train": {"imported": {"target": "m:f"}}, "compute_loss": "a2c"}, r"'train' is overridden"),
        ({"curriculum": {"bucketed": {"buckets": {"arena.num_mins": [1, 2]}}}}, r"did you mean 'arena.num_mines'"),
    ],
)
def test_what_is_wrong_is_refused_by_path_and_value(overrides, why):
    with pytest.raises(Refused, match=why):
        create_experiment(overrides=overrides)


def test_the_choices_of_a_slot_are_its_implementations_and_ones_own():
    assert list(choices("compute_loss")) == ["a2c", "ppo_clip", "ppo_kl", "imported"]
    assert list(choices("rollout")) == ["imported"]


def doubled(experience):
    return experience


class OwnGae(Gae):
    """Not registered: it stands outside the trainer's ops."""


class Holder:
    def method(self, given):
        return given


@pytest.mark.parametrize(
    ("replacement", "choice"),
    [
        (VTrace(rho_clip=2.0), {"vtrace": {"rho_clip": 2.0, "c_clip": 1.0}}),
        (Imported(target="m:f", params={"a": 1}), {"imported": {"target": "m:f", "params": {"a": 1}}}),
        (OwnGae(gae_lambda=0.5), {"imported": {"target": f"{__name__}:OwnGae", "params": {"gae_lambda": 0.5}}}),
        (Refused, {"imported": {"target": "trainer.plain.refusal:Refused", "params": {}}}),
    ],
)
def test_a_registered_op_and_what_can_be_imported_become_data(replacement, choice):
    assert choice_of(replacement) == choice


@pytest.mark.parametrize(
    "replacement",
    [lambda x: x, partial(doubled, 1), Holder().method, doubled.__get__(1)],
    ids=["lambda", "partial", "method", "bound"],
)
def test_what_stands_nowhere_by_its_own_name_is_a_function_of_this_process(replacement):
    (kind,) = choice_of(replacement)
    assert kind == "function"


def test_two_closures_over_different_values_are_different_functions():
    def by(factor):
        return lambda rewards: factor * rewards

    assert choice_of(by(2)) == choice_of(by(2)) != choice_of(by(3))


def test_a_function_of_this_process_is_found_again_and_elsewhere_refuses_to_be_called():
    def halved(x):
        return x / 2

    choice = choice_of(halved)
    assert loaded("train.compute_reward", choice, {"train.compute_reward": halved}) is halved
    for functions in ({}, {"train.compute_reward": abs}):
        with pytest.raises(Refused, match=r"function of another process; .* or use in-process compute"):
            loaded("train.compute_reward", choice, functions)(1)


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of one's own in the Python path."""
    (tmp_path / "my_own_ops.py").write_text(
        "def halved(given, by=2):\n    return given / by\n\n"
        "class Power:\n    def __init__(self, n):\n        self.n = n\n\n"
        "    def __call__(self, x):\n        return x**self.n\n\n"
        "ready = Power(3)\nnothing = 4\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_own_ops"
    sys.modules.pop("my_own_ops", None)


@pytest.mark.parametrize(
    ("name", "params", "result"),
    [("halved", {}, 4), ("halved", {"by": 4}, 2), ("Power", {"n": 2}, 64), ("ready", {}, 512)],
)
def test_a_function_a_class_and_an_object_can_be_imported(module, name, params, result):
    imported = Imported(target=f"{module}:{name}", params=params)
    assert imported(8) == imported.load()(8) == result


@pytest.mark.parametrize(
    ("name", "params", "why"),
    [
        ("missing", {}, r"target = 'my_own_ops:missing': cannot be imported"),
        ("nothing", {}, r"is int, and cannot be called"),
        ("Power", {"m": 2}, r"does not take them"),
    ],
)
def test_what_cannot_be_loaded_is_refused(module, name, params, why):
    with pytest.raises(Refused, match=why):
        Imported(target=f"{module}:{name}", params=params).load()


def test_a_modules_source_travels_and_nothing_is_imported_to_find_it(module):
    overrides = accepted_overrides({"compute_reward": {"imported": {"target": f"{module}:halved"}}})
    assert [*imported_sources(overrides)] == ["my_own_ops.py"]
    assert module not in sys.modules


def test_all_files_of_a_package_travel(tmp_path, monkeypatch):
    for place in ("my_own_package/__init__.py", "my_own_package/deep/__init__.py", "my_own_package/deep/ops.py"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = Imported(target="my_own_package.deep.ops:f").sources()
    assert sorted(found) == [
        "my_own_package/__init__.py",
        "my_own_package/deep/__init__.py",
        "my_own_package/deep/ops.py",
    ]


@pytest.mark.parametrize("target", ["numpy.linalg:norm", "statistics:mean"])
def test_what_is_installed_does_not_travel(target):
    assert Imported(target=target).sources() == {}


def test_a_module_in_the_working_directory_is_found(tmp_path, monkeypatch):
    (tmp_path / "lying_here.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert [*Imported(target="lying_here:f").sources()] == ["lying_here.py"]


def test_a_script_whose_name_begins_with_a_digit_can_hold_ops(tmp_path, monkeypatch):
    (tmp_path / "01_of_mine.py").write_text("def halved(earned):\n    return earned.rewards / 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    op = Imported(target="01_of_mine:halved")
    assert op.load().__name__ == "halved"
    assert [*op.sources()] == ["01_of_mine.py"]


def test_a_module_that_is_nowhere_is_refused():
    with pytest.raises(Refused, match=r"target = 'no_such_module_here:f': there is no module 'no_such_module_here'"):
        Imported(target="no_such_module_here:f").sources()
