"""A run that begins with a checkpoint of another one goes on as that one would have, or with its weights alone."""

import json
import shutil

import pytest
import torch

from trainer.contract import Refused, RunDirectory, begin_run, file_digest, read_manifest
from trainer.contract.resume import begun_files, read_begun
from trainer.engine.checkpoint import load_checkpoint, saved_checkpoints, weights_digest
from trainer.engine.digests import read_digests
from trainer.engine.verify import verify
from trainer.entry import run_stage
from trainer.reporters import SilentReporter
from trainer.stopping import Cancelled

HALF, WHOLE = 1024, 2048
BUCKETS = {"buckets": {"kwargs.max_episode_steps": (10, 30)}}
WAYS = {
    "plain": {},
    "gru": {"agent": {"core": "gru", "core_size": 8}},
    "normalized": {"trainer": {"normalize_observations": True, "target_reward": 5}},
    "curriculum": {
        "overrides": {"curriculum": {"learning_progress": BUCKETS}},
        "trainer": {"curriculum": {"env": {"id": "CartPole-v1", "kwargs": {"max_episode_steps": 20}}}},
    },
}
CONSTANT = {"optimizer": {"schedule": "constant"}, "ppo": {"clip_schedule": "constant"}}
CLOCKED = ("seconds", "charts/SPS", "target/seconds")


def merged(base, change):
    """`base` with `change` laid over it, deep."""
    both = {key: merged(base[key], change[key]) for key in base.keys() & change.keys() if isinstance(base[key], dict)}
    return base | change | both


class Until:
    """A reporter that is told to stop after some updates."""

    def __init__(self, updates: int) -> None:
        self.left = updates

    def progress(self, progress):
        self.left -= 1
        if self.left == 0:
            raise Cancelled

    def log(self, message):
        """Nothing."""


def segmented(small, total, resume_from=None, **changes):
    """Updates of 256 agent-steps in segments of two; nothing falls with the length of training."""
    trainer = {"total_timesteps": total, "checkpoint": {"interval_updates": 2, "keep": 9}, **CONSTANT}
    return small(**changes | {"trainer": merged(trainer, changes.get("trainer", {})), "resume_from": resume_from})


def metrics_of(run: RunDirectory) -> list[dict[str, float]]:
    lines = (json.loads(line) for line in run.metrics_file.read_text().splitlines())
    return [{name: value for name, value in line.items() if name not in CLOCKED} for line in lines]


@pytest.fixture(scope="module")
def half_trained(small, tmp_path_factory):
    """A run of four updates, trained once."""
    run = RunDirectory(tmp_path_factory.mktemp("once") / "half")
    begin_run(segmented(small, HALF), run)
    run_stage("train", run, SilentReporter())
    return run


@pytest.fixture
def half(half_trained, tmp_path):
    """A copy of that run, for the test to do with as it likes."""
    return RunDirectory(shutil.copytree(half_trained.path, tmp_path / "half"))


def begun_with(run: RunDirectory, **asked):
    return {"run": run.instance_name, **asked}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_and_another_that_goes_on_with_it_end_as_one_run_would_have(way, small, trained):
    whole, uninterrupted = trained(segmented(small, WHOLE, **WAYS[way]), "whole")
    trained(segmented(small, HALF, **WAYS[way]), "half")
    rest, manifest = trained(segmented(small, WHOLE, {"run": "half"}, **WAYS[way]), "rest")
    assert manifest.weights_digest == uninterrupted.weights_digest
    assert metrics_of(rest) == metrics_of(whole)[4:]
    digests = [[line["digests"] for line in read_digests(run.digests_file)] for run in (whole, rest)]
    assert digests[1] == digests[0][4:]
    assert manifest.metrics["updates"] == 8
    assert manifest.metrics.get("target/agent_steps") == uninterrupted.metrics.get("target/agent_steps")


def test_the_manifest_names_the_parent_and_the_very_checkpoint(half, small, trained):
    run, manifest = trained(segmented(small, WHOLE, {"run": "half"}), "rest")
    checkpoint = saved_checkpoints(half)[-1]
    assert manifest.parents == {"resume_from": read_manifest(half.manifest_file("train")).digest}
    recorded = {each.path: each.sha256 for each in manifest.artifacts}
    assert recorded["train/begin.pt"] == file_digest(checkpoint)
    assert "train/begin.json" in recorded
    begun = read_begun(run)
    assert (begun.checkpoint, begun.update, begun.sha256) == (checkpoint.name, 4, file_digest(checkpoint))


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_such_a_run_that_was_stopped_and_resumed_equals_one_that_was_not(after, half, small, start, trained, reporter):
    spec = segmented(small, WHOLE, {"run": "half"})
    whole, never_stopped = trained(spec, "never_stopped")
    run = start(spec, "stopped")
    with pytest.raises(Cancelled):
        run_stage("train", run, Until(after))
    first = read_manifest(run.manifest_file("train"))
    shutil.rmtree(half.path)
    manifest = run_stage("train", run, reporter)
    assert manifest.weights_digest == never_stopped.weights_digest
    assert metrics_of(run) == metrics_of(whole)
    assert read_digests(run.digests_file) == read_digests(whole.digests_file)
    assert manifest.parents == first.parents == never_stopped.parents


def test_another_learning_rate_and_length_of_segments_go_on_with_the_same_state(half, small, trained):
    changed = {"checkpoint": {"interval_updates": 3}, "optimizer": {"learning_rate": 1e-4}}
    run, manifest = trained(segmented(small, WHOLE, {"run": "half"}, trainer=changed), "rest")
    assert [line["update"] for line in metrics_of(run)] == [5, 6, 7, 8]
    assert metrics_of(run)[0]["charts/learning_rate"] == 1e-4
    assert [path.name for path in saved_checkpoints(run)] == ["update_000006.pt", "update_000008.pt"]
    assert manifest.metrics["agent_steps"] == WHOLE


def test_a_first_segment_that_begins_inside_of_one_is_repeated_alike(half, small, start, trained, reporter):
    spec = segmented(small, WHOLE, {"run": "half"}, trainer={"checkpoint": {"interval_updates": 3}})
    _, whole = trained(spec, "never_stopped")
    run = start(spec, "stopped")
    with pytest.raises(Cancelled):
        run_stage("train", run, Until(1))
    assert run_stage("train", run, reporter).weights_digest == whole.weights_digest


def test_a_warm_start_has_the_weights_and_nothing_else(half, small, trained):
    state = load_checkpoint(saved_checkpoints(half)[-1])
    run, manifest = trained(segmented(small, 512, {"run": "half", "load": "weights"}), "warm")
    assert [line["update"] for line in metrics_of(run)] == [1, 2]
    assert manifest.metrics["agent_steps"] == 512
    cold, _ = trained(segmented(small, 512), "cold")
    warm, fresh = (load_checkpoint(saved_checkpoints(each)[0]) for each in (run, cold))
    assert warm["optimizer"]["steps"] == fresh["optimizer"]["steps"] == state["optimizer"]["steps"] / 2
    assert warm["reward_scale"]["count"] == fresh["reward_scale"]["count"]
    begun = load_checkpoint(begun_files(run)[0])
    assert weights_digest(begun["policy"]) == weights_digest(state["policy"])


def test_the_first_actions_of_a_warm_start_are_those_of_the_loaded_weights(half, small, trained):
    """With a learning rate of almost nothing the weights stay what they were loaded as."""
    still = {"optimizer": {"learning_rate": 1e-30}}
    _, manifest = trained(segmented(small, 512, {"run": "half", "load": "weights"}, trainer=still), "still")
    assert manifest.weights_digest == read_manifest(half.manifest_file("train")).weights_digest


def test_the_best_checkpoint_and_one_of_a_certain_update_can_be_asked_for(half, small, trained):
    files = saved_checkpoints(half)
    best = load_checkpoint(files[-1])["best"]
    for asked, name in (({"checkpoint": "best"}, best), ({"update": 2}, "update_000002.pt"), ({}, files[-1].name)):
        run, _ = trained(segmented(small, WHOLE, begun_with(half, load="weights", **asked)), f"of-{name}-{len(asked)}")
        assert read_begun(run).checkpoint == name
        assert begun_files(run)[0].read_bytes() == (half.checkpoints / name).read_bytes()


def test_the_best_of_two_is_the_one_with_the_higher_reward(half, small, trained):
    rewards = {line["update"]: line["overview/reward"] for line in metrics_of(half)}
    better = max((2, 4), key=lambda update: rewards[update])
    run, _ = trained(segmented(small, WHOLE, begun_with(half, checkpoint="best", load="weights")), "best")
    assert read_begun(run).update == better


def test_a_run_that_is_not_there_is_refused_with_the_nearest_name(half, small, start, tmp_path):
    with pytest.raises(Refused, match=r"resume_from\.run = 'hlaf': no such run in .*; did you mean 'half'\?"):
        start(segmented(small, WHOLE, {"run": "hlaf"}), "rest")
    assert not (tmp_path / "rest").exists()
    with pytest.raises(Refused, match=r"'rest': no such run"):
        start(segmented(small, WHOLE, {"run": "rest"}), "rest")
    start(segmented(small, WHOLE), "empty")
    with pytest.raises(Refused, match=r"'empty': has no checkpoint"):
        start(segmented(small, WHOLE, {"run": "empty"}), "rest")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"trainer": {"total_timesteps": 1024}}, r"trainer\.total_timesteps = 1024: half has trained for 1024 already"),
        ({"trainer": {"batch_size": 512}}, r"trainer\.batch_size = 512: half was trained with 256"),
        (
            {"trainer": {"optimizer": {"type": "sgd"}}},
            r"trainer\.optimizer\.type = 'sgd': half was .* 'adam'",
        ),
        ({"overrides": {"adam_step": {"sgd": {}}}}, r"overrides\.train\.\S+adam_step: half was trained with None"),
        (
            {"agent": {"hidden_sizes": [16, 8]}},
            r"agent: trunk\S+ = \(8, 16\): in half it is \(16, 16\), and \d+",
        ),
        (
            {"trainer": {"curriculum": {"env": {"id": "Acrobot-v1"}}}},
            r"trainer\.curriculum\.env = .*\(6,\).*the policy of half is made for .*\(4,\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_both_named(changes, says, half, small, start, reporter):
    run = start(segmented(small, WHOLE, {"run": "half"}, **changes), "rest")
    with pytest.raises(Refused, match=says):
        run_stage("train", run, reporter)
    assert not run.manifest_file("train").exists()


def test_a_damaged_checkpoint_is_passed_over_aloud_for_the_latest_and_refused_where_it_was_named(
    half, small, start, reporter
):
    newest = saved_checkpoints(half)[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    run = start(segmented(small, WHOLE, {"run": "half"}), "rest")
    run_stage("train", run, reporter)
    assert any(line.startswith("WARNING: a damaged checkpoint") and newest.name in line for line in reporter.lines)
    assert read_begun(run).update == 2
    named = start(segmented(small, WHOLE, {"run": "half", "update": 4}), "named")
    with pytest.raises(Refused, match=r"checkpoint after update 4 of half.*is torn.*ask for another"):
        run_stage("train", named, reporter)
    missing = start(segmented(small, WHOLE, {"run": "half", "update": 3}), "missing")
    with pytest.raises(Refused, match=r"resume_from\.update = 3: half has no checkpoint after it, but update_000002"):
        run_stage("train", missing, reporter)


def test_a_digest_in_the_spec_pins_the_checkpoint(half, small, start, trained, reporter):
    right = file_digest(saved_checkpoints(half)[-1])
    trained(segmented(small, WHOLE, {"run": "half", "sha256": right}), "right")
    run = start(segmented(small, WHOLE, {"run": "half", "sha256": f"sha256:{'0' * 64}"}), "wrong")
    with pytest.raises(Refused, match=rf"resume_from\.sha256 = .*update_000004\.pt is {right}"):
        run_stage("train", run, reporter)
    assert not begun_files(run)[0].exists()


def test_a_copy_that_was_changed_is_no_beginning(half, small, start, reporter):
    run = start(segmented(small, WHOLE, {"run": "half"}), "rest")
    with pytest.raises(Cancelled):
        run_stage("train", run, Until(1))
    copy = begun_files(run)[0]
    state = torch.load(copy, weights_only=True)
    torch.save(state, copy)
    with pytest.raises(Refused, match=r"train/begin\.pt = 'sha256:.*: this run began with sha256:"):
        run_stage("train", run, reporter)


def test_weights_that_were_adopted_can_begin_a_run_but_not_go_on(half, small, start, trained, reporter):
    state = load_checkpoint(saved_checkpoints(half)[-1])
    adopted = start(segmented(small, HALF), "adopted")
    torch_file = adopted.checkpoints / "update_000004.pt"
    bare = {"format": 2, "update": 4, "policy": state["policy"], "interface": state["interface"]}
    torch_file.parent.mkdir(parents=True)
    from trainer.engine.digests import digest_of_state

    torch.save({**bare, "digest": digest_of_state(bare)}, torch_file)
    with pytest.raises(Refused, match=r"resume_from\.load = 'all': adopted's checkpoint holds no agent_steps"):
        run_stage("train", start(segmented(small, WHOLE, {"run": "adopted"}), "rest"), reporter)
    trained(segmented(small, 512, {"run": "adopted", "load": "weights"}), "warm")


@pytest.mark.parametrize("load", ["all", "weights"])
def test_such_a_run_is_verified_though_the_other_one_is_gone(load, half, small, trained, reporter):
    run, _ = trained(segmented(small, WHOLE, {"run": "half", "load": load}), "rest")
    shutil.rmtree(half.path)
    found = verify(run, reporter)
    updates = 4 if load == "all" else 8
    assert (found.verdict, found.updates, found.recorded_updates) == ("identical", updates, updates)
    assert verify(run, reporter, updates=2).updates == 2
    assert verify(run, reporter, updates=0).bits_identical is None
    found = verify(run, reporter, assignments=["controls.seed=3"])
    assert f"in update {9 - updates} of 8" in "\n".join(found.lines())


def test_a_changed_beginning_is_damage_that_verify_names(half, small, trained, reporter):
    run, _ = trained(segmented(small, WHOLE, {"run": "half"}), "rest")
    shutil.copyfile(half.checkpoints / "update_000002.pt", begun_files(run)[0])
    assert [damage.path for damage in verify(run, reporter, updates=0).damage] == ["train/begin.pt"]
