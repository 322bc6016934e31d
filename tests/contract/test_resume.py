"""What a spec may say of the checkpoint that training begins with."""

import pytest

from trainer.contract import Refused, TrainAndEvalSpec, set_values
from trainer.contract.resume import ResumeFrom


def test_a_spec_begins_with_new_weights_unless_it_says_otherwise():
    spec = TrainAndEvalSpec()
    assert spec.resume_from is None
    assert spec.plain()["resume_from"] is None
    assert TrainAndEvalSpec.accept({"resume_from": None}).spec_hash == spec.spec_hash


def test_all_of_it_is_part_of_the_hash():
    settings = ({}, {"checkpoint": "best"}, {"update": 4}, {"load": "weights"}, {"sha256": f"sha256:{'0' * 64}"})
    specs = [TrainAndEvalSpec.accept({"resume_from": {"run": "a-run", **each}}) for each in settings]
    assert len({each.spec_hash for each in (TrainAndEvalSpec(), *specs)}) == 6


def test_its_values_are_set_one_by_one():
    spec = set_values(TrainAndEvalSpec(), ["resume_from.load=weights", "resume_from.run=a-run"])
    assert spec.resume_from == ResumeFrom(run="a-run", load="weights")
    assert set_values(spec, ["resume_from=null"]).resume_from is None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "resume_from.run"),
        ({"run": "../other"}, "not an instance name"),
        ({"run": ""}, "not an instance name"),
        ({"run": ".."}, "not an instance name"),
        ({"run": "a", "checkpoint": "final"}, "resume_from.checkpoint = 'final'"),
        ({"run": "a", "update": 0}, "resume_from.update = 0"),
        ({"run": "a", "checkpoint": "best", "update": 4}, "name two; leave one out"),
        ({"run": "a", "sha256": "1234"}, "not of the form sha256:"),
        ({"run": "a", "weights": True}, "unknown key 'weights'"),
    ],
)
def test_what_makes_no_sense_is_refused(given, says):
    with pytest.raises(Refused, match="resume_from") as refused:
        TrainAndEvalSpec.accept({"resume_from": given})
    assert says in str(refused.value)


def test_a_value_of_what_is_not_there_is_refused():
    with pytest.raises(Refused, match=r"resume_from\.rum = 'a': no such field; did you mean 'run'\?"):
        set_values(TrainAndEvalSpec(), ["resume_from.rum=a"])
    with pytest.raises(Refused, match=r"'baseline' holds None, which has no fields of its own"):
        set_values(TrainAndEvalSpec(), ["controls.baseline.x=1"])


def test_a_training_that_is_replaced_as_a_whole_begins_with_nothing():
    replaced = {"train": {"imported": {"target": "mine:train"}}}
    with pytest.raises(Refused, match="the stage train is replaced as a whole"):
        TrainAndEvalSpec.accept({"resume_from": {"run": "a"}, "overrides": replaced})
