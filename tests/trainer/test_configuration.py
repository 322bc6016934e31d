"""An experiment by name is what Hydra would make of the same files; what is not known here is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from trainer.configuration import Composer, experiment_spec
from trainer.contract import (
    Refused,
    TrainAndEvalSpec,
    create_quick_experiment,
    load_experiment_spec,
    save_experiment_spec,
)
from trainer.contract.trainer_config import GROUPS

HYDRA = "hydra-core==1.3.8"
COMPOSE_BY_HYDRA = """
import json, sys
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

configs, groups, *names = sys.argv[1:]
with initialize_config_dir(configs, version_base="1.3"):
    for name in names:
        whole = compose(None, [f"hydra.searchpath=[file://{groups}]", f"+experiments={name}"])
        print(json.dumps(OmegaConf.to_container(whole)))
"""

SEEDS = """\
# @package _global_
defaults:
  - ../common # Relative paths from experiments/
  - ../agent/fast
  - ../trainer/trainer
  - ../sim/arena
  - ../wandb/metta_research
  - _self_

trainer:
  curriculum: env/mettagrid/curriculum/arena/basic
  total_timesteps: 10000000
  simulation: {replay_dir: "${run_dir}/replays"}
"""
BASE = "# @package _global_\nagent: {core: gru, hidden_sizes: [1, 2]}\nname: base\nwandb: {notes: base}\n"
WITHOUT_SELF = "# @package _global_\ndefaults: [base, {../agent: fast}]\nname: last\nagent: {core_size: 7}\n"
SELF_FIRST = "\n# @package _global_\nname: first\nagent: {core: lstm}\ndefaults:\n - _self_\n - /experiments/base\n"
NESTED = (
    "# @package _global_\ndefaults: [self_first, ../more/deep/inside, _self_]\nwandb: {notes: '${name}: ${more.x}'}\n"
)
INSIDE = "# @package more\ndefaults: [beside, _self_]\nx: 1e-3\n"
BESIDE = "# @package more.y\nz: [1_000, 012, 0x1f, on, 12:30, 2020-01-01, ~, .5, '1e5']\n"


@pytest.fixture
def configs(tmp_path) -> Path:
    folder = tmp_path / "configs"
    files = {
        "experiments/seeds": SEEDS,
        "experiments/base": BASE,
        "experiments/without_self": WITHOUT_SELF,
        "experiments/self_first": SELF_FIRST,
        "experiments/nested": NESTED,
        "more/deep/inside": INSIDE,
        "more/deep/beside": BESIDE,
    }
    for name, text in files.items():
        write(folder, name, text)
    save_experiment_spec(create_quick_experiment(), folder / "experiments/whole.yaml")
    return folder


def write(configs: Path, name: str, text: str) -> None:
    file = configs / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture(scope="session")
def hydra(tmp_path_factory) -> Path:
    """Python with the real Hydra, which cannot live beside Dagster."""
    environment = tmp_path_factory.mktemp("hydra") / "environment"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", HYDRA]
    installed = subprocess.run(install, check=False, capture_output=True, text=True)
    if installed.returncode:
        reason = f"pip cannot install {HYDRA}: {installed.stderr[-300:]}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return python


@pytest.mark.slow
def test_hydra_itself_composes_the_same(configs, hydra):
    odd = create_quick_experiment(
        name="1e5", description="012", wandb={"notes": "???", "tags": ["1_0", "on", "1:30", "é\n"]}
    )
    save_experiment_spec(odd, configs / "experiments/odd.yaml")
    names = ["seeds", "without_self", "self_first", "nested", "whole", "odd"]
    words = [hydra, "-c", COMPOSE_BY_HYDRA, configs, GROUPS, *names]
    lines = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    for name, line in zip(names, lines, strict=True):
        ours = OmegaConf.to_container(Composer((configs, GROUPS)).compose(f"experiments/{name}"))
        assert ours == json.loads(line), name
    assert TrainAndEvalSpec.accept(json.loads(lines[-1])) == odd


def test_the_example_of_the_seeds_is_an_experiment(configs):
    spec = experiment_spec("seeds", configs=configs)
    assert spec.trainer.total_timesteps == 10_000_000
    assert spec.trainer.simulation.replay_dir == "${run_dir}/replays"
    assert (spec.wandb.mode, spec.wandb.entity) == ("online", "metta-research")
    assert list(spec.eval_configs) == ["arena/basic", "arena/combat"]
    assert spec.trainer.curriculum.env.arena.combat is False


def test_what_a_file_says_itself_counts_more_than_what_it_includes_unless_it_says_otherwise(configs):
    write(configs, "experiments/after", WITHOUT_SELF)
    after = experiment_spec("after", configs=configs)
    assert (after.name, after.agent.core, after.agent.core_size, after.wandb.notes) == ("last", "none", 7, "base")
    first = experiment_spec("self_first", configs=configs)
    assert (first.name, first.agent.core, first.agent.hidden_sizes) == ("base", "gru", (1, 2))


def test_a_saved_spec_is_an_experiment_of_the_same_hash(configs):
    assert experiment_spec("whole", configs=configs).spec_hash == create_quick_experiment().spec_hash


texts = st.text(max_size=20) | st.from_regex(r"[-+.0-9_:eExXoO]{1,8}", fullmatch=True)


@given(st.lists(texts, max_size=4), texts)
@example(["1e5", "+1_0E-3"], "3e-4")
@settings(deadline=None)
def test_any_text_of_a_spec_is_read_as_it_was_written(tmp_path_factory, tags, notes):
    folder = tmp_path_factory.mktemp("configs")
    spec = create_quick_experiment(wandb={"tags": tags, "notes": notes})
    save_experiment_spec(spec, folder / "experiments" / "any.yaml")
    assert experiment_spec("any", configs=folder) == spec


def test_text_that_would_be_filled_in_is_refused_before_it_is_written(tmp_path):
    spec = create_quick_experiment(wandb={"notes": "all of ${name}"})
    with pytest.raises(Refused, match=r"wandb\.notes.*interpolation"):
        save_experiment_spec(spec, tmp_path / "spec.yaml")
    assert not (tmp_path / "spec.yaml").exists()


def test_values_are_set_after_all_files(configs):
    spec = experiment_spec("seeds", ["trainer.total_timesteps=1000", "agent.core=gru"], configs)
    assert (spec.trainer.total_timesteps, spec.agent.core) == (1000, "gru")


def test_the_files_of_the_working_directory_come_before_the_trainers_own(configs):
    write(configs, "agent/fast", "# @package agent\nhidden_sizes: [5]\n")
    assert experiment_spec("seeds", configs=configs).agent.hidden_sizes == (5,)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: x\n", "must begin with a line `# @package _global_`"),
        ("# @package _global_\ndefaults: [../agent/quick]\n", "no file agent/quick.yaml .*allowed: fast, recurrent"),
        ("# @package _global_\ndefaults: [override /agent: fast]\n", "is not known here"),
        ("# @package _global_\ndefaults: ['/agent@policy: fast']\n", "is not known here"),
        ("# @package _global_\ndefaults: [bad]\n", "includes itself: experiments/bad → experiments/bad$"),
        ("# @package _global_\ndefaults: fast\n", "must be a list of files"),
        ("# @package _global_\nname: ${trainer.nmae}\n", "name .*cannot be filled in: .*trainer.nmae"),
        ("# @package _global_\nname: [\n", "not YAML"),
        ("# @package _global_\n- name\n", "must hold fields"),
        ("# @package _global_\nrun_dir: /tmp\n", "leave it out"),
        ("# @package _global_\nagent: {cores: gru}\n", "did you mean 'core'"),
    ],
)
def test_what_cannot_be_composed_is_refused_with_the_place_and_the_reason(configs, text, words):
    write(configs, "experiments/bad", text)
    with pytest.raises(Refused, match=words):
        experiment_spec("bad", configs=configs)


def test_an_unknown_experiment_is_refused_with_the_nearest_name(configs):
    with pytest.raises(Refused, match="did you mean 'nested'"):
        experiment_spec("nestd", configs=configs)


def trainer(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root, "AXIOM_HOME": str(folder / "home"), **variables}
    command = [sys.executable, "-P", "-m", "trainer", *words]
    return subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)


SMALL = """\
# @package _global_
trainer: {curriculum: {env: {id: CartPole-v1}}, total_timesteps: 512, batch_size: 256, minibatch_size: 64}
wandb: {mode: disabled}
"""


def test_the_trainer_trains_an_experiment_by_its_name_and_does_not_train_it_twice(tmp_path):
    write(tmp_path / "configs", "experiments/small-1", SMALL)
    words = ["train", "+experiments=small-1", "trainer.total_timesteps=256"]
    done = trainer(tmp_path, *words)
    run = tmp_path / "home" / "runs" / "small-1"
    assert done.returncode == 0, done.stderr
    assert load_experiment_spec(run / "run.yaml").trainer.total_timesteps == 256
    assert (run / "run.yaml").read_text().startswith("# @package _global_\n")
    manifest = (run / "train" / "manifest.json").read_bytes()
    again = trainer(tmp_path, *words)
    assert again.returncode == 0 and "has succeeded already" in again.stderr
    assert (run / "train" / "manifest.json").read_bytes() == manifest
    other = trainer(tmp_path, *words[:2])
    assert other.returncode == 2 and "holds a run of another spec" in other.stderr


def test_the_source_beside_an_experiment_is_what_its_run_imports(tmp_path):
    op = "def clipped_reward(earned):\n    return earned.rewards.clip(-1, 1)\n"
    overrides = "overrides: {train.compute_reward: {imported: {target: 'own_reward:clipped_reward'}}}\n"
    write(tmp_path / "configs", "experiments/own", SMALL + overrides)
    source = tmp_path / "configs" / "experiments" / "own.source"
    source.mkdir()
    (source / "own_reward.py").write_text(op)
    done = trainer(tmp_path, "train", "+experiments=own")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "home/runs/own/source/own_reward.py").read_text() == op


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train"], "is named by --run-dir"),
        (["train", "--run-dir", "run", "+experiments=x"], "is named by --run-dir"),
        (["train", "+experiments=x", "+experiments=y"], "is named by --run-dir"),
        (["train", "+experiments=x", "--spec", "spec.yaml"], "is named by --run-dir"),
        (["train", "+experiments=../x"], "it names a file and a folder"),
        (["train", "+experiments=x"], "no file experiments/x.yaml"),
    ],
)
def test_a_run_that_is_not_named_in_one_way_is_refused(tmp_path, words, said):
    done = trainer(tmp_path, *words)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert not (tmp_path / "home").exists()
