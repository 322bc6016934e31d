"""What differs between two manifests, by group, and how many factors two specs are apart."""

from datetime import UTC, datetime
from typing import Any

import pytest

from trainer.contract import Interval, Manifest, OpRecord, SimulationResult, TrainAndEvalSpec, set_values
from trainer.contract.difference import NOT_FACTORS, Difference, difference, factors

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GAE, VTRACE = {"gae": {}}, {"vtrace": {}}


def manifest(spec: TrainAndEvalSpec | None = None, **fields: Any) -> Manifest:
    spec = spec or TrainAndEvalSpec()
    common: dict[str, Any] = {"stage": "train", "instance_name": "run", "status": "succeeded", "started_at": NOW}
    return Manifest(**common | {"ended_at": NOW, "spec": spec.plain(), "spec_hash": spec.spec_hash} | fields)


def result(mean: float, half: float = 1.0) -> SimulationResult:
    interval = Interval(mean=mean, low=mean - half, high=mean + half)
    return SimulationResult(mean_reward=mean, reward=interval, random_reward=interval, episodes=(), random_episodes=())


def test_equal_manifests_differ_in_nothing():
    assert difference(manifest(), manifest()) == Difference()
    assert difference(manifest(), manifest(instance_name="other", attempt=2)).conditions == ()


def test_each_group_has_its_own_changes_with_both_values():
    spec = set_values(TrainAndEvalSpec(), ["trainer.ppo.gamma=0.9", "overrides={compute_advantage: {vtrace: {}}}"])
    found = difference(manifest(), manifest(spec))
    assert [str(change) for change in found.spec] == ["trainer.ppo.gamma: 0.99 → 0.9"]
    assert [(change.path, change.a) for change in found.overrides] == [("train.compute_advantage", None)]
    assert list(found.overrides[0].b) == ["vtrace"]
    assert (found.code, found.environment, found.results) == ((), (), ())


def test_the_source_of_an_op_counts_only_where_both_ran_the_same_op():
    ops = [
        {"train.compute_advantage": OpRecord(implementation=name, params=params, source_digest=digest)}
        for name, params, digest in [("gae", {}, "1"), ("gae", {}, "2"), ("vtrace", {}, "3"), ("gae", {"l": 1}, "4")]
    ]
    (change,) = difference(manifest(ops=ops[0]), manifest(ops=ops[1])).code
    assert (change.path, change.a, change.b) == ("ops.train.compute_advantage", "1", "2")
    assert difference(manifest(ops=ops[0]), manifest(ops=ops[2])).code == ()
    assert difference(manifest(ops=ops[0]), manifest(ops=ops[3])).code == ()


def test_code_and_packages_are_named_one_by_one():
    machine = {"python": "3.11", "implementation": "CPython", "platform": "x", "machine": "y", "hostname": "h"}
    then = {**machine, "cpu_count": 2, "packages": {"numpy": "1", "torch": "2"}}
    now = {**then, "packages": {"numpy": "1", "torch": "3", "six": "1"}, "fingerprint": "sha256:1"}
    code = [{"commit": commit, "branch": branch, "dirty": False, "files": "f"} for commit, branch in ("am", "bn")]
    found = difference(manifest(environment=then, code=code[0]), manifest(environment=now, code=code[1]))
    assert [str(change) for change in found.environment] == ["packages.six: none → 1", "packages.torch: 2 → 3"]
    assert [str(change) for change in found.code] == ["commit: a → b"]


@pytest.mark.parametrize(("second", "touching"), [(2.0, True), (3.5, False), (-1.5, False)])
def test_results_have_their_difference_and_whether_intervals_touch(second: float, touching: bool):
    a = manifest(metrics={"reward": 1.0, "none": None}, weights_digest="sha256:1", eval_results={"x": result(1.0, 0.5)})
    b = manifest(metrics={"reward": 1.5, "none": 2.0}, weights_digest="sha256:2", eval_results={"x": result(second)})
    b = b.model_copy(update={"eval_results": {"x": b.eval_results["x"].model_copy(update={"replays": ("r",)})}})
    found = {change.path: change for change in difference(a, b).results}
    assert list(found) == ["weights_digest", "metrics.none", "metrics.reward", "eval_results.x.mean_reward"]
    assert found["metrics.reward"].difference == 0.5
    assert found["metrics.none"].difference is None
    assert found["eval_results.x.mean_reward"].touching == touching
    assert found["eval_results.x.mean_reward"].difference == second - 1.0


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], ()),
        (["name=other", "description=x", "controls.seed=3", "wandb.project=p"], ()),
        (["controls.baseline=b", "controls.single_factor_enforce=true"], ()),
        (["trainer.ppo.gamma=0.9"], ("trainer.ppo.gamma",)),
        (["trainer.ppo.gamma=0.9", "agent.core_size=64"], ("agent.core_size", "trainer.ppo.gamma")),
        (["overrides={compute_advantage: {vtrace: {rho_clip: 2.0, c_clip: 3.0}}}"], ("train.compute_advantage",)),
        (["trainer.curriculum.env.arena.width=15"], ("trainer.curriculum.env.arena.width",)),
        (["wandb.mode=disabled", "system.torch_threads=2"], ("system.torch_threads",)),
    ],
)  # fmt: skip
def test_each_value_and_each_override_is_a_factor(values: list[str], found: tuple[str, ...]):
    assert factors(TrainAndEvalSpec(), set_values(TrainAndEvalSpec(), values)) == found
    assert factors(set_values(TrainAndEvalSpec(), values), TrainAndEvalSpec()) == found


def test_a_simulation_of_ones_own_is_a_factor():
    own = {"mine": TrainAndEvalSpec().trainer.curriculum.env.plain()}
    other = TrainAndEvalSpec.accept({"eval_configs": own})
    assert {path.split(".")[1] for path in factors(TrainAndEvalSpec(), other)} == {
        "mine",
        "arena/basic",
        "arena/combat",
    }


def test_what_is_no_factor_is_a_field_of_the_spec_with_a_reason():
    for path, why in NOT_FACTORS.items():
        data: Any = TrainAndEvalSpec().plain()
        for part in path.split("."):
            assert part in data
            data = data[part]
        assert why


def test_another_beginning_is_one_factor_and_one_change():
    first = TrainAndEvalSpec()
    warm = set_values(first, ["resume_from.run=a-run", "resume_from.load=weights"])
    best = set_values(warm, ["resume_from.checkpoint=best", "resume_from.sha256=sha256:" + "0" * 64])
    assert factors(first, warm) == factors(warm, best) == ("resume_from",)
    (change,) = difference(manifest(first), manifest(warm)).spec
    assert str(change) == "resume_from: none → the weights of the latest checkpoint of a-run"


def test_two_runs_that_began_with_other_checkpoints_by_the_same_words_differ():
    spec = set_values(TrainAndEvalSpec(), ["resume_from.run=a-run"])
    (change,) = difference(
        manifest(spec, parents={"resume_from": "x"}), manifest(spec, parents={"resume_from": "y"})
    ).spec
    assert (change.path, change.a, change.b) == ("parents.resume_from", "x", "y")
