"""What a population's declaration says, and all that is refused in it before there is any run."""

from pathlib import Path
from typing import Any

import pytest

from trainer.contract import Refused
from trainer.contract.sweep import Sweep, load_sweep, save_sweep

RATE, EPOCHS, CLIP = "trainer.optimizer.learning_rate", "trainer.ppo.update_epochs", "trainer.ppo.clip_coef"
TWO = {"low": 1, "high": 2}
GOOD: dict[str, Any] = {
    "name": "p",
    "base": {
        "trainer": {
            "total_timesteps": 4096,
            "batch_size": 1024,
            "minibatch_size": 256,
            "curriculum": {"env": {"id": "CartPole-v1"}},
            "optimizer": {"schedule": "constant"},
        }
    },
    "space": {RATE: {"low": 1e-4, "high": 1e-2, "log": True}},
    "population": {"members": 4, "interval": 2048},
    "budget": {"runs": 8},
}


def refusal(**changed: Any) -> str:
    with pytest.raises(Refused) as refused:
        Sweep.accept({**GOOD, **changed})
    return str(refused.value)


def based_on(**changed: Any) -> dict[str, Any]:
    """The good base with other values of its trainer, or of the spec."""
    trainer = {key: changed.pop(key) for key in list(changed) if key in ("total_timesteps", "optimizer", "ppo")}
    return {"base": {**GOOD["base"], "trainer": {**GOOD["base"]["trainer"], **trainer}, **changed}}


def test_a_population_begins_at_random_and_survives_its_file(tmp_path: Path) -> None:
    sweep = Sweep.accept(GOOD)
    assert (sweep.sampler.type, sweep.together) == ("random", 4)
    assert sweep.population and sweep.population.generations(sweep.base) == 2
    assert load_sweep(save_sweep(sweep, tmp_path / "sweep.yaml")) == sweep


def test_one_member_is_replaced_at_least_and_never_more_than_its_part() -> None:
    counts = {
        members: Sweep.accept({**GOOD, "population": {"members": members, "interval": 2048}, "budget": {"runs": 100}})
        for members in (2, 4, 9, 10, 15)
    }
    assert [each.population.replaced for each in counts.values() if each.population] == [1, 1, 1, 2, 3]


@pytest.mark.parametrize(
    "path",
    [
        "trainer.optimizer.type",
        "trainer.optimizer.schedule",
        "trainer.ppo.clip_schedule",
        "trainer.batch_size",
        "trainer.total_timesteps",
        "trainer.num_envs",
        "trainer_config.optimizer_config.type",
    ],
)
def test_what_cannot_change_in_the_middle_of_a_training_is_refused(path: str) -> None:
    values = {"type": ["adam", "sgd"], "schedule": ["constant", "linear"], "clip_schedule": ["constant", "linear"]}
    space = {path: values.get(path.rpartition(".")[2], [1024, 2048])}
    words = refusal(space=space)
    assert f"space.{path}: cannot change in the middle of a training" in words
    assert "trainer.optimizer, trainer.ppo, trainer.minibatch_size" in words


@pytest.mark.parametrize("path", ["train.curriculum", "train.policy"])
def test_a_step_with_a_state_is_refused(path: str) -> None:
    choices = ["fixed", "learning_progress"] if path == "train.curriculum" else ["math:sin", "math:cos"]
    assert f"space.{path}: a member goes on with the state that it left" in refusal(space={path: choices})


def test_values_that_a_training_reads_anew_are_accepted() -> None:
    space = {EPOCHS: TWO, CLIP: [0.1, 0.2], "train.compute_advantage": ["gae", "vtrace"]}
    assert Sweep.accept({**GOOD, "space": {**space, "trainer.minibatch_size": [256, 512]}}).together == 4


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"population": {"members": 1, "interval": 2048}}, "greater than or equal to 2"),
        ({"population": {"members": 4, "interval": 2000}}, "no whole number of batches of 1024; near: 1024 or 2048"),
        ({"population": {"members": 4, "interval": 3072}}, "trains 4096 agent-steps, not two or more whole gener"),
        ({"population": {"members": 4, "interval": 4096}}, "set base.trainer.total_timesteps to a multiple"),
        ({"population": {"members": 4, "interval": 2048, "factors": [1]}}, "1 is no factor"),
        ({"population": {"members": 4, "interval": 2048, "truncation": 0.6}}, "less than or equal to 0.5"),
        ({"population": {"members": 4, "intervall": 2048}}, "did you mean 'interval'?"),
        ({"sampler": {"type": "tpe"}}, "sampler.type = 'tpe' beside population"),
        ({"pruner": {"type": "asha"}}, "pruner.type = 'asha' beside population"),
        ({"budget": {"runs": 3}}, "not even one generation of 4 members fits"),
        ({"budget": {"agent_steps": 8000}}, "not even one generation of 4 members of 8192 fits"),
        (based_on(optimizer={"schedule": "linear"}), "schedule = 'linear' is taken over a whole training"),
        (based_on(ppo={"clip_schedule": "linear"}), "clip_schedule = 'linear' is taken over a whole training"),
        (based_on(resume_from={"run": "other"}), "set load to weights"),
        (based_on(overrides={"train": {"imported": {"target": "math:sin"}}}), "the stage train is replaced as a whole"),
        (
            {
                "base": {
                    "trainer": {**GOOD["base"]["trainer"], "curriculum": {}, "batch_size": 1536, "minibatch_size": 512},
                    "overrides": {"train.curriculum": "levels"},
                },
                "population": {"members": 4, "interval": 1536},
            },
            "until_progress is a part of a training",
        ),
    ],
)
def test_a_population_that_could_not_be_trained_is_refused(changed: dict[str, Any], words: str) -> None:
    assert words in refusal(**changed)


def test_a_base_that_begins_with_weights_is_accepted() -> None:
    base = based_on(resume_from={"run": "other", "load": "weights"})
    sweep = Sweep.accept({**GOOD, **base})
    assert sweep.population
    begins, goes_on = (sweep.population.spec(sweep.spec({}), place, run) for place, run in ((0, None), (1, "mine")))
    assert begins.resume_from and (begins.resume_from.run, begins.resume_from.load) == ("other", "weights")
    assert goes_on.resume_from and (goes_on.resume_from.run, goes_on.resume_from.load) == ("mine", "all")
