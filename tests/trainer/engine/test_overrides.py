"""Overridden ops in real trainings: they run, they are recorded, and wrong ones never get that far."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import trainer.ops.gae
from trainer.algorithm.overrides import choice_of
from trainer.contract import Refused, RunDirectory, begin_run
from trainer.entry import run_stage
from trainer.ops.op import implementations
from trainer.pipeline import Intervention, source_digest

BUCKETS = {"buckets": {"kwargs.max_episode_steps": (10, 30)}}
LEVELS = {"levels": [{"buckets": {"kwargs.max_episode_steps": [10]}, "until_progress": 0.5}, BUCKETS]}
NEEDED = {"bucketed": BUCKETS, "learning_progress": BUCKETS, "levels": LEVELS}
EVERY = [(slot, name) for slot, named in implementations().items() for name in named]


@pytest.fixture
def own_module(tmp_path):
    """Writes a module of one's own, which only its source file's copy makes importable, and forgets it afterwards."""
    paths, names = list(sys.path), []

    def write(name: str, text: str) -> str:
        folder = tmp_path / "own"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(text)
        sys.path.insert(0, str(folder))
        names.append(name)
        return name

    yield write
    sys.path[:] = paths
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("slot", "name"), EVERY)
def test_every_implementation_trains_is_repeatable_and_is_recorded(slot, name, small, trained):
    env = {"env": {"id": "CartPole-v1", "kwargs": {"max_episode_steps": 20}}}
    spec = small(overrides={slot: {name: NEEDED.get(name, {})}}, trainer={"curriculum": env})
    (_, first), (_, second) = trained(spec, "one"), trained(spec, "two")
    assert first.weights_digest == second.weights_digest
    ((path, record),) = first.overrides.items()
    assert path.endswith(f".{slot}")
    assert record.implementation == name
    assert record.source_digest == source_digest(implementations()[slot][name])
    assert first.ops[path] == record
    assert first.spec["overrides"] == {path: {name: record.params}}


def test_a_run_without_overrides_records_none_and_what_was_declared(small, trained):
    _, manifest = trained(small())
    assert manifest.overrides == {}
    assert {path: record.implementation for path, record in manifest.ops.items()} == {
        "train": "declared",
        "train.policy": "declared",
        "train.curriculum": "fixed",
        "train.rollout": "declared",
        "train.compute_reward": "as_given",
        "train.compute_advantage": "gae",
        "train.compute_loss": "ppo_clip",
        "train.optimizer": "declared",
        "train.optimizer.clip_gradients": "global_norm",
        "train.optimizer.adam_step": "adam",
    }
    assert set(manifest.ops) < set(manifest.exposed)
    assert manifest.pipeline_fingerprint == small().pipeline().fingerprint()


def test_an_imported_copy_of_gae_gives_the_weights_of_gae(small, start, trained, reporter, own_module):
    own_module("copied_gae", Path(trainer.ops.gae.__file__).read_text())
    _, declared = trained(small(), "declared")
    run = start(small(overrides={"compute_advantage": {"imported": {"target": "copied_gae:Gae"}}}))
    manifest = run_stage("train", run, reporter)
    assert manifest.weights_digest == declared.weights_digest
    assert manifest.pipeline_fingerprint != declared.pipeline_fingerprint
    assert manifest.overrides["train.compute_advantage"].source_digest == source_digest(trainer.ops.gae.Gae)
    assert "source/copied_gae.py" in [artifact.path for artifact in manifest.artifacts]


def test_what_runs_is_the_copy_in_the_run_directory(small, tmp_path, reporter, own_module, start):
    own_module("pays", "def double(earned):\n    return 2 * earned.rewards\n")
    run = start(small(overrides={"compute_reward": {"imported": {"target": "pays:double"}}}))
    shutil.rmtree(tmp_path / "own")
    path = list(sys.path)
    manifest = run_stage("train", run, reporter)
    assert sys.path == path
    assert manifest.overrides["train.compute_reward"].implementation == "imported"
    assert sys.modules["pays"].__file__ == str(run.source / "pays.py")


def test_an_op_that_breaks_its_contract_is_refused_before_training_with_the_clause(small, start, reporter, own_module):
    own_module("wrong", "def half(experience):\n    return experience.rewards[: len(experience.rewards) // 2]\n")
    run = start(small(overrides={"compute_advantage": {"imported": {"target": "wrong:half"}}}))
    with pytest.raises(Refused, match=r"train\.compute_advantage = .*breaks the contract of compute_advantage"):
        run_stage("train", run, reporter)
    assert not run.metrics_file.exists()
    assert not run.manifest_file("train").exists()


def test_a_module_that_is_nowhere_is_refused_and_nothing_is_written(small, tmp_path):
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(Refused, match="there is no module 'nowhere_at_all'"):
        begin_run(small(overrides={"compute_loss": {"imported": {"target": "nowhere_at_all:f"}}}), run)
    assert not run.path.exists()


def test_a_reward_may_be_one_number_for_every_step(small, start, reporter):
    def always_one(earned):
        return 1.0

    manifest, recorded = with_function(small, start, reporter, "train.compute_reward", always_one)
    assert recorded.implementation == "function"
    _, declared = with_function(small, start, reporter, "train.compute_reward", lambda earned: earned.rewards, "two")
    assert manifest.status == "succeeded"
    assert declared.params["digest"] != recorded.params["digest"]


def with_function(small, start, reporter, path, function, name="one"):
    """Train with a function of this process; its manifest and the record of the override."""
    run = start(small(overrides={path: choice_of(function)}), name)
    manifest = run_stage("train", run, reporter, functions={path: function})
    return manifest, manifest.overrides[path]


def test_a_function_of_this_process_is_refused_in_another(small, start, reporter):
    choice = choice_of(lambda earned: 1.0)
    with pytest.raises(Refused, match="is a function of another process"):
        run_stage("train", start(small(overrides={"compute_reward": choice})), reporter)


def test_a_policy_of_ones_own_is_trained_and_then_evaluated(small, start, reporter):
    def narrow(blueprint):
        return type(blueprint)(
            blueprint.spaces, blueprint.agent.model_copy(update={"hidden_sizes": (3,)})
        ).actor_critic()

    run = start(small(overrides={"policy": choice_of(narrow)}))
    manifest = run_stage("train", run, reporter, functions={"train.policy": narrow})
    checkpoint = torch.load(run.path / manifest.checkpoint.path, weights_only=True)
    assert checkpoint["policy"]["trunk.0.layer.weight"].shape == (3, 4)
    evaluated = run_stage("evaluate", run, reporter, functions={"train.policy": narrow})
    assert evaluated.weights_digest == manifest.weights_digest
    assert evaluated.overrides == manifest.overrides


@pytest.mark.parametrize("as_content", [False, True])
def test_the_whole_training_can_be_replaced_by_a_checkpoint(as_content, small, trained, start, reporter):
    earlier, before = trained(small(), "earlier")
    path = earlier.path / before.checkpoint.path
    load = (lambda job: torch.load(path, weights_only=True)) if as_content else (lambda job: str(path))
    run = start(small(overrides={"train": choice_of(load)}), "skipped")
    manifest = run_stage("train", run, reporter, functions={"train": load})
    assert manifest.weights_digest == before.weights_digest
    assert list(manifest.ops) == ["train"]
    assert run.metrics_file.read_text() == ""
    assert (run.path / manifest.checkpoint.path).is_file()
    evaluated = run_stage("evaluate", run, reporter, functions={"train": load})
    original = run_stage("evaluate", earlier, reporter)
    assert evaluated.eval_results["CartPole-v1"].episodes == original.eval_results["CartPole-v1"].episodes


@pytest.mark.parametrize(
    ("left", "why"),
    [
        ("/no/such/file.pt", r"train = '/no/such/file.pt': no such file"),
        ({"policy": {}}, "a checkpoint must hold interface"),
    ],
)
def test_a_replaced_training_that_leaves_no_checkpoint_is_refused(left, why, small, start, reporter):
    def load(job):
        return left

    run = start(small(overrides={"train": choice_of(load)}))
    with pytest.raises(Refused, match=why):
        run_stage("train", run, reporter, functions={"train": load})


def test_the_whole_evaluation_can_be_replaced(small, trained, reporter, start):
    earlier, _ = trained(small(), "earlier")
    played = run_stage("evaluate", earlier, reporter).eval_results
    known = {name: result.model_copy(update={"replays": ()}) for name, result in played.items()}

    def remembered(job):
        assert set(job.checkpoint()["policy"])
        return known

    run = start(small(overrides={"evaluate": choice_of(remembered)}), "remembered")
    run_stage("train", run, reporter)
    assert run_stage("evaluate", run, reporter, functions={"evaluate": remembered}).eval_results == known


def test_learning_progress_spreads_over_the_tasks_and_its_memory_is_in_the_checkpoint(small, trained):
    env = {"env": {"id": "CartPole-v1", "kwargs": {"max_episode_steps": 20}}}
    spec = small(overrides={"curriculum": {"learning_progress": BUCKETS}}, trainer={"curriculum": env})
    run, manifest = trained(spec)
    memory = torch.load(run.path / manifest.checkpoint.path, weights_only=True)["curriculum"]
    assert memory["ends"].shape == (2,)
    assert np.all(memory["ends"].numpy() > 0)


def test_a_hook_can_stop_a_training_and_save_it_and_the_manifest_says_so(small, start, reporter):
    def at_the_second(training, info):
        if training.done == 2:
            info.request(Intervention.SAVE_CHECKPOINT, "look at this one")
            info.request(Intervention.STOP_EARLY, "good enough")

    run = start(small())
    manifest = run_stage("train", run, reporter, hooks={"train.report": [at_the_second]})
    assert manifest.metrics["updates"] == 2
    assert manifest.hooks == {"train.report.at_the_second": {"called": 2, "failed": 0}}
    asked = [(each.intervention, each.reason, each.honoured_by) for each in manifest.interventions]
    assert asked == [
        ("save_checkpoint", "look at this one", ("train.updates#2",)),
        ("stop_early", "good enough", ("train.updates#2",)),
    ]
    assert (run.checkpoints / "requested_000002.pt").is_file()


def test_a_hook_that_only_looks_changes_nothing_even_if_it_fails(small, start, trained, reporter):
    _, unwatched = trained(small(), "unwatched")
    run = start(small())
    manifest = run_stage("train", run, reporter, hooks={"train.compute_loss": [lambda learner, info: 1 / 0]})
    assert manifest.weights_digest == unwatched.weights_digest
    assert manifest.pipeline_fingerprint == unwatched.pipeline_fingerprint
    ((_, counts),) = manifest.hooks.items()
    assert counts["called"] == counts["failed"] > 0


def test_a_hook_on_an_evaluation_sees_its_results_and_can_stop_nothing(small, trained, reporter):
    run, _ = trained(small())
    seen = []

    def look(results, info):
        seen.append((info.path, results["CartPole-v1"].mean_reward))
        info.request(Intervention.STOP_EARLY, "seen enough")

    manifest = run_stage("evaluate", run, reporter, hooks={"evaluate": [look], "train.report": [look]})
    assert seen == [("evaluate", manifest.eval_results["CartPole-v1"].mean_reward)]
    assert manifest.hooks == {"evaluate.look": {"called": 1, "failed": 0}}
    assert [each.honoured_by for each in manifest.interventions] == [()]
