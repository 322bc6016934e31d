"""Runs held against each other, and repeated: `diff`, `replay`, `verify` and the rule of a single factor."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from axiom_dagster import InProcessCompute, Refused, RunHandle, TrainAndEvalExperiment, TrainAndEvalSpec, diff
from axiom_dagster import create_quick_experiment as quick
from axiom_dagster.cli.app import app
from axiom_dagster.replaying import REPLAY_TAG, replay, sameness
from axiom_dagster.run_handle import all_runs
from axiom_dagster.single_factor import check_single_factor

FAKE = InProcessCompute(module="fake_trainer")
CARTPOLE: dict[str, Any] = {
    "name": "cartpole",
    "trainer": {
        "total_timesteps": 512,
        "batch_size": 256,
        "minibatch_size": 64,
        "num_envs": 4,
        "curriculum": {"env": {"id": "CartPole-v1"}},
        "simulation": {"num_episodes": 2},
    },
    "agent": {"hidden_sizes": [16]},
    "wandb": {"mode": "disabled"},
}
OWN = "from trainer.ops.gae import Gae\nclass Mine(Gae):\n    pass\n"


def axiom(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def last_line(result: Result) -> dict[str, Any]:
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One home for all tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AXIOM_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def pair() -> tuple[RunHandle, RunHandle]:
    """Two runs of the fake trainer that differ in seed and learning rate."""
    first = TrainAndEvalExperiment(quick()).run(compute=FAKE)
    trainer = {**quick().plain()["trainer"], "optimizer": {"learning_rate": 1e-3}}
    second = quick(controls={"seed": 5}, trainer=trainer)
    return first, TrainAndEvalExperiment(second).run(compute=FAKE)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunHandle, Path]]:
    """A real run with an op of one's own, and that op's file."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("own")
        (folder / "own_of_replay.py").write_text(OWN)
        patch.syspath_prepend(str(folder))
        overrides = {"compute_advantage": {"imported": {"target": "own_of_replay:Mine"}}}
        spec = TrainAndEvalSpec.accept({**CARTPOLE, "overrides": overrides})
        handle = TrainAndEvalExperiment(spec).run()
        assert handle.status == "succeeded", handle.error
        yield handle, folder / "own_of_replay.py"


def test_diff_names_what_differs_and_whether_intervals_touch(pair: tuple[RunHandle, RunHandle]):
    first, second = pair
    result = axiom("diff", first.instance_name, second.run_id[:8], "--json")
    answer = last_line(result)
    assert (result.exit_code, answer["same"]) == (1, False)
    assert [change["path"] for change in answer["spec"]] == ["controls.seed", "trainer.optimizer.learning_rate"]
    results = {change["path"]: change for change in answer["results"]}
    assert results["eval_results.arena/basic.mean_reward"]["difference"] == 5.0
    assert results["eval_results.arena/basic.mean_reward"]["touching"] is False
    shown = axiom("diff", first.instance_name, second.instance_name).stdout
    assert shown.startswith("different: 2 in spec\n")
    assert "trainer.optimizer.learning_rate" in shown
    assert "apart" in shown


def test_diff_of_a_run_with_itself_is_same_by_every_name(pair: tuple[RunHandle, RunHandle]):
    first, _ = pair
    result = axiom("diff", first.instance_name, str(first.directory))
    assert (result.exit_code, result.stdout.splitlines()) == (
        0, ["same spec, overrides, code and environment", "the same results"]
    )  # fmt: skip
    assert first.diff(first) == diff(first.instance_name, first.read("train")).model_copy(update={"results": ()})


def test_diff_with_no_run_is_refused(pair: tuple[RunHandle, RunHandle]):
    result = axiom("diff", pair[0].instance_name, "nobody", "--json")
    assert (result.exit_code, last_line(result)["problems"][0]["path"]) == (2, "run")


def variant(pair: tuple[RunHandle, RunHandle], **fields: Any) -> TrainAndEvalSpec:
    controls = {"single_factor_enforce": True, "baseline": pair[0].instance_name, **fields.pop("controls", {})}
    return quick(controls=controls, **fields)


def test_one_factor_is_allowed_and_so_is_another_seed(pair: tuple[RunHandle, RunHandle]):
    check_single_factor(variant(pair, agent={"core_size": 64}, name="other", description="why"))
    check_single_factor(variant(pair, overrides={"compute_advantage": "vtrace"}, controls={"seed": 3}))
    check_single_factor(variant(pair, controls={"seed": 3}))
    check_single_factor(quick(agent={"core_size": 64, "hidden_sizes": [8]}))


def test_more_than_one_factor_is_refused_with_all_their_names(pair: tuple[RunHandle, RunHandle]):
    two = variant(pair, agent={"core_size": 64}, overrides={"compute_advantage": "vtrace"})
    with pytest.raises(Refused) as refused:
        check_single_factor(two)
    assert [problem.path for problem in refused.value.problems] == ["agent.core_size", "train.compute_advantage"]
    assert "one of 2 factors" in str(refused.value)


def test_a_variant_that_changes_nothing_is_refused(pair: tuple[RunHandle, RunHandle]):
    with pytest.raises(Refused, match="nothing differs from it, and the seed is 0 in both"):
        check_single_factor(variant(pair, name="other"))


def test_a_baseline_that_is_not_there_is_refused(pair: tuple[RunHandle, RunHandle]):
    with pytest.raises(Refused, match="no run has this name"):
        check_single_factor(variant(pair, controls={"baseline": "nobody"}))


@pytest.mark.slow
def test_a_real_run_is_verified_from_its_name(real: tuple[RunHandle, Path]):
    handle, _ = real
    result = axiom("verify", handle.instance_name, "--json")
    answer = last_line(result)
    assert (result.exit_code, answer["verdict"], answer["updates"]) == (0, "identical", 2), result.output
    shown = axiom("verify", str(handle.directory), "--updates", "1", "--set", "controls.seed=9")
    assert shown.exit_code == 1
    assert shown.stdout.startswith(f"different: {handle.instance_name} parts from its record in update 1 of 2")
    assert handle.verify(updates=1).verdict == "identical"
    parted = handle.verify(updates=1, values={"controls": {"seed": 9}})
    assert parted.divergence is not None and parted.divergence.update == 1


def test_a_run_that_cannot_be_verified_is_refused(pair: tuple[RunHandle, RunHandle]):
    result = axiom("verify", pair[0].instance_name, "--json")
    assert (result.exit_code, last_line(result)["problems"][0]["path"]) == (2, "digests")


@pytest.mark.slow
def test_a_replay_runs_the_kept_source_and_comes_out_the_same(real: tuple[RunHandle, Path]):
    original, file = real
    file.write_text("raise RuntimeError('changed since')\n")
    result = axiom("replay", original.instance_name, "--tag", "again", "--json")
    answer = last_line(result)
    assert result.exit_code == 0, result.output
    assert (answer["weights_identical"], answer["results_identical"]) == (True, True)
    again = RunHandle.of(answer["instance_name"])
    assert (again.tags[REPLAY_TAG], again.tags["axiom/tag"]) == (original.instance_name, "again")
    assert again.manifest("train")["weights_digest"] == original.manifest("train")["weights_digest"]
    assert (again.directory / "source" / "own_of_replay.py").read_text() == OWN


@pytest.mark.slow
def test_a_replay_says_first_what_differs_now(real: tuple[RunHandle, Path], tmp_path: Path):
    original, _ = real
    file = original.directory / "train" / "manifest.json"
    before = file.read_text()
    data = json.loads(before)
    data["environment"]["packages"]["numpy"] = "1.0"
    file.write_text(json.dumps(data))
    said: list[str] = []
    try:
        again = replay(original, compute=FAKE, say=said.append)
        assert any(words.startswith("differs now: packages.numpy: 1.0 → ") for words in said)
        assert any("train/manifest.json" in words for words in said)
        assert again.tags[REPLAY_TAG] == original.instance_name
        assert str(sameness(original, again)) == "weights different, evaluation results different"
    finally:
        file.write_text(before)


def test_a_run_that_would_begin_with_nothing_is_refused_before_it_exists(pair: tuple[RunHandle, RunHandle]):
    before = {run.run_id for run in all_runs()}
    name = f"{pair[0].instance_name[:-1]}_"
    result = axiom("run", "quick", "--set", f"resume_from.run={name}", "--json")
    (problem,) = last_line(result)["problems"]
    assert (result.exit_code, problem["path"]) == (2, "resume_from.run")
    assert f"did you mean {pair[0].instance_name!r}?" in problem["why"]
    assert {run.run_id for run in all_runs()} == before


@pytest.mark.slow
def test_a_replay_begins_with_the_very_checkpoint_that_the_original_began_with():
    origin = TrainAndEvalExperiment(TrainAndEvalSpec.accept({**CARTPOLE, "name": "origin"})).run()
    warm = {"run": origin.instance_name, "load": "weights"}
    original = TrainAndEvalExperiment(TrainAndEvalSpec.accept({**CARTPOLE, "resume_from": warm})).run()
    assert original.manifest("train")["parents"] == {"resume_from": origin.read("train").digest}
    shutil.rmtree(origin.directory)
    again = replay(original)
    assert again.status == "succeeded", again.error
    assert str(sameness(original, again)) == "weights identical, evaluation results identical"
    assert again.manifest("train")["parents"] == original.manifest("train")["parents"]
    assert original.verify().verdict == "identical"
