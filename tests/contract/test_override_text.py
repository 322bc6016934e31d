"""Overrides written on a command line become the spec's, or are refused with path, value and what is allowed."""

from typing import Any

import pytest

from trainer.contract import Refused, TrainAndEvalSpec
from trainer.contract.override_text import read_choice, set_overrides

SPEC = TrainAndEvalSpec()
VTRACE = {"train.compute_advantage": {"vtrace": {"rho_clip": 1.0, "c_clip": 1.0}}}


def imported(target: str, **params: Any) -> dict[str, Any]:
    return {"train.compute_advantage": {"imported": {"target": target, "params": params}}}


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        ("train.compute_advantage=vtrace", VTRACE),
        ("compute_advantage=vtrace", VTRACE),
        (" compute_advantage = vtrace : rho_clip = 1.0 ", VTRACE),
        ("compute_advantage=vtrace:", VTRACE),
        ("compute_advantage=gae:gae_lambda=null", {"train.compute_advantage": {"gae": {"gae_lambda": None}}}),
        ("adam_step=sgd:momentum=0,weight_decay=1e-3", {
            "train.optimizer.adam_step": {"sgd": {"momentum": 0.0, "weight_decay": 0.001}}
        }),
        ("compute_advantage=my_ops:gae", imported("my_ops:gae")),
        ("compute_advantage=my.ops:gae:decay=1e-3,names=[a, b]", imported("my.ops:gae", decay=0.001, names=["a", "b"])),
        ("compute_advantage=my_ops:gae:text='a,b=c',flag=yes", imported("my_ops:gae", text="a,b=c", flag=True)),
        ("compute_advantage=imported:target=my_ops:gae", imported("my_ops:gae")),
        ("compute_advantage=imported:target=my_ops:gae,params={decay: 0.5, n: 2}", imported(
            "my_ops:gae", decay=0.5, n=2
        )),
        ("train=my_ops:load", {"train": {"imported": {"target": "my_ops:load", "params": {}}}}),
    ],
)  # fmt: skip
def test_an_override_as_text_is_the_one_that_it_spells(text: str, overrides: dict[str, Any]) -> None:
    spec = set_overrides(SPEC, [text])
    assert spec.overrides == overrides
    assert spec == TrainAndEvalSpec.accept({**SPEC.plain(), "overrides": overrides})


@pytest.mark.parametrize(
    ("texts", "path", "why"),
    [
        (["compute_advantage"], "--override", "not of the form PATH=IMPLEMENTATION"),
        (["=vtrace"], "--override", "not of the form PATH=IMPLEMENTATION"),
        (["compute_advantage="], "--override", "not of the form PATH=IMPLEMENTATION"),
        (["compute_advantage=vtrace:1.0"], "compute_advantage", "not of the form PARAM=VALUE"),
        (["compute_advantage=vtrace:rho_clip=1,2"], "compute_advantage", "not of the form PARAM=VALUE"),
        (["compute_advantage=vtrace:rho_clip=1,rho_clip=2"], "compute_advantage.rho_clip", "is given twice"),
        (["compute_advantage=vtrace:rho_clip=[1"], "compute_advantage.rho_clip", "not a YAML value"),
        (["compute_advantage=vtrace:rho_clip=-1"], "compute_advantage.vtrace.rho_clip", "greater than 0"),
        (["compute_advantage=vtrace:rho=1"], "compute_advantage.vtrace", "allowed: c_clip, rho_clip"),
        (["compute_advantage=vtrase"], "compute_advantage", "did you mean 'vtrace'?"),
        (["compute_advantag=vtrace"], "compute_advantag", "did you mean 'train.compute_advantage'?"),
        (["train.backward=vtrace"], "train.backward", "is not exposed"),
        (["compute_advantage=vtrace", "train.compute_advantage=gae"], "--override", "is given twice"),
        (["train=my_ops:load", "compute_advantage=gae"], "train.compute_advantage", "would have no effect"),
    ],
)  # fmt: skip
def test_what_is_refused_says_where_and_why(texts: list[str], path: str, why: str) -> None:
    with pytest.raises(Refused) as refused:
        set_overrides(SPEC, texts)
    assert (refused.value.problems[0].path, why in str(refused.value)) == (path, True), refused.value


def test_an_override_replaces_the_specs_own_and_leaves_its_others() -> None:
    spec = TrainAndEvalSpec.accept({"overrides": {"compute_advantage": "vtrace", "compute_loss": "a2c"}})
    assert set_overrides(spec, ["compute_advantage=gae"]).overrides == {
        "train.compute_advantage": {"gae": {"gae_lambda": None}},
        "train.compute_loss": {"a2c": {}},
    }


def test_no_override_is_the_same_spec() -> None:
    assert set_overrides(SPEC, []) is SPEC


def test_a_choice_is_read_without_asking_whether_there_is_such_an_op() -> None:
    assert read_choice("compute_loss", "nothing:x=1") == {"nothing": {"x": 1}}
