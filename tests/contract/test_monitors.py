"""What a spec may say of monitors: it is refused before a run exists where a monitor could say nothing."""

import pytest

from trainer.contract import MonitorsConfig, Refused, TrainAndEvalSpec, load_experiment_spec, save_experiment_spec
from trainer.contract import set_values as with_values

WATCHED = {
    "divergence": {"too_far": {"metric": "losses/approx_kl", "above": 0.5, "window": 3}},
    "plateau": {"flat": {"within_updates": 20, "min_delta": 0.1, "after_updates": 5}},
    "target": {"solved": {"value": 100, "actions": ["save_checkpoint", "stop_early"]}},
    "non_finite": {"numbers": {}},
}


@pytest.mark.parametrize(
    ("monitors", "why"),
    [
        (
            {"target": {"t": {"value": 1, "metric": "overview/rewards"}}},
            r"no training reports .*mean 'overview/reward'",
        ),
        ({"plateau": {"p": {"within_updates": 3, "metric": "charts/SPS"}}}, r"is wall time: .*could not be repeated"),
        ({"divergence": {"d": {}}}, r"divergence\.d: needs one of above, below and falls_by; none is given"),
        ({"divergence": {"d": {"above": 1, "below": 0}}}, r"needs one of .*; above and below is given"),
        ({"divergence": {"d": {"above": 1, "window": 0}}}, r"divergence\.d\.window = 0"),
        ({"target": {"t": {}}}, r"target\.t\.value"),
        ({"target": {"t": {"value": 1, "actions": []}}}, r"target\.t\.actions"),
        ({"target": {"t": {"value": 1, "actions": ["notify", "notify"]}}}, r"name each action once: notify, notify"),
        ({"target": {"t": {"value": 1, "actions": ["halt"]}}}, r"'stop_early', 'save_checkpoint' or 'notify'"),
        ({"target": {"a b": {"value": 1}}}, r"'a b' is no name of a monitor"),
        ({"non_finite": {"n": {"actions": ["save_checkpoint"]}}}, r"what is not finite is not worth saving"),
        ({"targets": {}}, r"did you mean 'target'\?"),
    ],
)
def test_a_monitor_that_could_say_nothing_is_refused_with_the_reason(monitors, why):
    with pytest.raises(Refused, match=why):
        TrainAndEvalSpec.accept({"trainer": {"monitors": monitors}})


def test_monitors_survive_a_spec_file(tmp_path):
    spec = TrainAndEvalSpec.accept({"trainer": {"monitors": WATCHED}})
    assert load_experiment_spec(save_experiment_spec(spec, tmp_path / "spec.yaml")) == spec


def test_a_monitor_is_set_and_changed_by_its_path():
    spec = with_values(TrainAndEvalSpec(), ["trainer.monitors.target.solved={value: 5}"])
    assert spec.trainer.monitors.target["solved"].actions == ("notify",)
    assert with_values(spec, ["trainer.monitors.target.solved.value=6"]).trainer.monitors.target["solved"].value == 6


def test_nothing_watches_unless_the_spec_says_so():
    assert MonitorsConfig().plain() == {"divergence": {}, "plateau": {}, "target": {}, "non_finite": {}}
