"""Recipes: the seeds' sample as it is written, options from the config class, jobs launched and loaded again."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from axiom_dagster import (
    Experiment,
    ExperimentConfig,
    Refused,
    SingleJobExperimentConfig,
    SkypilotJobConfig,
    TrainerConfig,
    TrainingJobConfig,
    TrainingRunConfig,
    create_quick_experiment,
    load_experiment_spec,
)
from axiom_dagster.recipes.options import config_options, configured, flags_spelled_out
from axiom_dagster.recipes.runner import local_command
from tests.resources.skypilot.fake_skypilot import FakeSkyPilot

BASIC, COMBAT = (f"env/mettagrid/curriculum/arena/{name}" for name in ("basic", "combat"))
SAMPLE = '''
from typing import List
from axiom_dagster import Experiment, ExperimentConfig
from axiom_dagster import TrainingJobConfig
from axiom_dagster import TrainingRunConfig
from axiom_dagster import SkypilotJobConfig
from axiom_dagster import TrainerConfig, OptimizerConfig, TorchProfilerConfig
from axiom_dagster import SimulationConfig

class LearningRateABTest(Experiment):
    """A/B test comparing two learning rates."""

    def training_job_configs(self) -> List[TrainingJobConfig]:
        configs = []
        for lr in [0.0001, 0.0005]:  # Test two learning rates
            trainer = TrainerConfig(
                num_workers=4,
                optimizer=OptimizerConfig(learning_rate=lr),
                simulation=SimulationConfig(replay_dir="${run_dir}/replays"),
                profiler=TorchProfilerConfig(profile_dir="${run_dir}/torch_traces"),
            )
            training = TrainingRunConfig(
                curriculum="env/mettagrid/curriculum/arena/basic",
                trainer=trainer,
                wandb_tags=["ab_test", f"lr_{lr}"],
            )
            configs.append(TrainingJobConfig(
                skypilot=SkypilotJobConfig(
                    gpus=self.config.gpus,
                    nodes=self.config.nodes,
                    spot=self.config.spot,
                ),
                training=training,
            ))
        return configs

class LearningRateABTestConfig(ExperimentConfig):
    name: str = "lr_ab_test"
    # Infrastructure params passed by runner
    gpus: int = 1
    nodes: int = 1
    spot: bool = True
    git_check: bool = True

if __name__ == "__main__":
    from axiom_dagster import runner
    runner(LearningRateABTest, LearningRateABTestConfig)
'''
TINY = (
    "trainer.total_timesteps=256",
    "trainer.batch_size=128",
    "trainer.minibatch_size=64",
    "trainer.num_workers=1",
    "trainer.simulation.num_episodes=2",
    "trainer.curriculum.env.id=CartPole-v1",
    "wandb.mode=disabled",
)


class OneJobConfig(SingleJobExperimentConfig):
    name: str = "one_job"
    skypilot: SkypilotJobConfig = SkypilotJobConfig(gpus=2, max_runtime_minutes=30)
    training: TrainingRunConfig = TrainingRunConfig(curriculum=COMBAT, wandb_tags=["mine"])


class OneJob(Experiment[OneJobConfig]):
    """One job."""


class ThreeSeedsConfig(ExperimentConfig):
    name: str = "three_seeds"
    gpus: int = 0


class ThreeSeeds(Experiment[ThreeSeedsConfig]):
    def training_job_configs(self) -> list[TrainingJobConfig]:
        skypilot = SkypilotJobConfig(gpus=self.config.gpus)
        trainings = [TrainingRunConfig.accept({"controls": {"seed": seed}}) for seed in range(3)]
        return [TrainingJobConfig(skypilot=skypilot, training=training) for training in trainings]


@pytest.fixture
def sky(tmp_path: Path) -> Iterator[FakeSkyPilot]:
    fake = FakeSkyPilot(tmp_path / "sky", hourly_dollars=2.0)
    yield fake
    fake.end()


def config_of(kind: type[ExperimentConfig], **given: str | bool) -> Any:
    return configured(kind, given)


def recipe(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """The seeds' sample, run as a file."""
    file = folder / "lr_ab_test.py"
    file.write_text(SAMPLE)
    command = [sys.executable, str(file), *words]
    # No server of SkyPilot is started, and none that may run here is asked.
    environment = {**os.environ, "SKYPILOT_API_SERVER_ENDPOINT": "http://127.0.0.1:9"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_seeds_sample_shows_both_jobs_and_launches_none(home: Path, tmp_path: Path) -> None:
    done = recipe(tmp_path, "--no-launch", "--gpus=4", "--nodes=2", "--spot=false", "--compute", "skypilot")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("num_nodes: 2") == done.stdout.count("use_spot: false") == 2
    assert done.stdout.count("H100: 4") == 2
    for rate in ("0.0001", "0.0005"):
        assert f"learning_rate: {rate}" in done.stdout
        assert f"- lr_{rate}" in done.stdout
    assert done.stdout.count("unknown: ") == 2, "nobody could be asked for prices"
    last = done.stdout.splitlines()[-1]
    assert last == "python lr_ab_test.py --gpus=4 --nodes=2 --spot=false --compute=local"
    assert not home.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nodes=0"], "nodes = 0"),
        (["--spot=maybe"], "is true or false"),
        (["--set", "trainer.learning_rate=1"], "no such field"),
        (["--compute=moon"], "'skypilot' or 'local'"),
        (["--gpuss=2"], "No such option"),
    ],
)
def test_what_the_sample_cannot_take_ends_with_two_and_leaves_nothing(
    home: Path, tmp_path: Path, words: list[str], said: str
) -> None:
    done = recipe(tmp_path, "--no-launch", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not home.exists()


@pytest.mark.slow
def test_the_sample_runs_both_jobs_on_this_machine(home: Path, tmp_path: Path) -> None:
    values = [word for value in TINY for word in ("--set", value)]
    done = recipe(tmp_path, "--compute=local", "--json", *values)
    assert done.returncode == 0, done.stderr
    jobs = yaml.safe_load(done.stdout.splitlines()[-1])["jobs"]
    assert [job["label"] for job in jobs] == ["job_1", "job_2"]
    assert {job["run"]["status"] for job in jobs} == {"succeeded"}
    rates = [job["run"]["manifest"]["spec"]["trainer"]["optimizer"]["learning_rate"] for job in jobs]
    assert rates == [0.0001, 0.0005]


def test_options_are_the_fields_of_the_config_and_of_what_it_rents() -> None:
    options = config_options(OneJobConfig)
    names = {option.name: option.path for option in options}
    assert len(names) == len(options)
    assert names["gpus"] == ("skypilot", "gpus")
    assert names["git_check"] == ("git_check",), "the outer one of two fields with one name"
    assert set(SkypilotJobConfig.model_fields) | {"name", "launch", "compute"} <= set(names)
    assert "training" not in names
    assert {option.name for option in config_options(ThreeSeedsConfig)} >= {"gpus", "name", "previous_job_ids"}


def test_what_is_given_replaces_a_default_and_keeps_the_others() -> None:
    config = config_of(OneJobConfig, nodes="3", spot=False, infra="aws", secrets="[HF_TOKEN]", disk_gb="100")
    wanted = {"gpus": 2, "max_runtime_minutes": 30, "nodes": 3, "spot": False, "infra": "aws", "disk_gb": 100}
    assert {name: getattr(config.skypilot, name) for name in wanted} == wanted
    assert config.skypilot.secrets == ("HF_TOKEN",)
    assert config.training == OneJobConfig().training
    with pytest.raises(Refused, match=r"skypilot\.nodes = 0"):
        config_of(OneJobConfig, nodes="0")


def test_a_flag_may_be_spelled_out() -> None:
    words = ["--spot=false", "--git-check=TRUE", "--infra=false", "--launch=no", "--gpus=1"]
    assert flags_spelled_out(words, OneJobConfig) == [
        "--no-spot",
        "--git-check",
        "--infra=false",
        "--no-launch",
        "--gpus=1",
    ]


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--no-launch", "--gpus=4"], "--gpus=4 "),
        (["--compute", "skypilot", "--set", "a b=c"], "--set 'a b=c' "),
        (["--compute=skypilot", "--json", "--launch=false"], ""),
    ],
)
def test_the_local_command_is_the_same_one_on_this_machine(words: Sequence[str], kept: str) -> None:
    assert local_command("python recipe.py", words) == f"python recipe.py {kept}--compute=local"


def test_a_training_becomes_the_spec_that_it_stands_for() -> None:
    training = OneJobConfig().training
    spec = training.spec("one_job")
    assert (spec.name, spec.trainer.curriculum.env.arena.combat, spec.wandb.tags) == ("one_job", True, ("mine",))
    assert spec.eval_configs["arena/basic"].arena.combat is False
    assert training.spec_hash == training.spec().spec_hash
    named = TrainingRunConfig(name="own", trainer=TrainerConfig(total_timesteps=5))
    assert (named.spec("one_job").name, named.spec("one_job").trainer.total_timesteps) == ("own", 5)
    by_hand = {"name": "one_job", "wandb": {"tags": ["mine"]}, "trainer": {"curriculum": COMBAT}}
    assert spec.spec_hash == type(spec).accept(by_hand).spec_hash


def test_infrastructure_does_not_change_what_is_trained() -> None:
    few, many = (OneJob(config_of(OneJobConfig, gpus=gpus)).training_jobs()[0] for gpus in ("1", "8"))
    assert few.spec.spec_hash == many.spec.spec_hash
    assert few.skypilot != many.skypilot


def test_a_curriculum_that_is_unknown_or_contradicted_is_refused() -> None:
    with pytest.raises(Refused, match=f"did you mean '{BASIC}'"):
        TrainingRunConfig.accept({"curriculum": BASIC[:-1]})
    with pytest.raises(Refused, match="the trainer is given another one"):
        TrainingRunConfig.accept({"curriculum": BASIC, "trainer_config": {"curriculum": COMBAT}})
    assert TrainingRunConfig.accept({"curriculum": BASIC, "trainer": {"curriculum_config": BASIC}})
    assert TrainingRunConfig.accept(TrainingRunConfig(curriculum=COMBAT).plain()).trainer.curriculum.env.arena.combat


def test_a_training_is_serialized_to_a_file_that_gives_the_spec_back(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    training = TrainingRunConfig(name="mine", curriculum=BASIC)
    file = training.serialize_to_yaml_file()
    assert file.parent == Path("configs/experiments")
    assert file.name.startswith("mine-")
    assert load_experiment_spec(file).spec_hash == training.spec_hash
    assert training.serialize_to_yaml_file("mine-1") == Path("configs/experiments/mine-1.yaml")


def test_an_instance_name_is_the_name_and_the_time() -> None:
    config = OneJobConfig(name="abc")
    assert config.instance_name.startswith("abc-20")
    assert OneJobConfig(instance_name="mine").instance_name == "mine"
    with pytest.raises(Refused, match=r"name = '\.\./x'"):
        OneJobConfig.accept({"name": "../x"})


def test_a_recipe_of_many_jobs_must_say_which() -> None:
    with pytest.raises(Refused, match="define training_job_configs"):
        Experiment(ThreeSeedsConfig()).training_jobs()


def test_nothing_is_launched_where_one_job_lacks_something(home: Path, sky: FakeSkyPilot) -> None:
    sky.infra = []
    with pytest.raises(Refused, match="SkyPilot may use no infrastructure"):
        ThreeSeeds(ThreeSeedsConfig(git_check=False), sky=sky).run()
    assert sky.launches == 0
    assert not home.exists()


def test_a_bad_value_of_a_later_job_is_refused_before_the_first_begins(home: Path) -> None:
    class LastIsBad(ThreeSeeds):
        def training_job_configs(self) -> list[TrainingJobConfig]:
            unknown = TrainingRunConfig.accept({"trainer": {"curriculum": {"env": {"id": "CartPol-v1"}}}})
            return [*super().training_job_configs(), TrainingJobConfig(training=unknown)]

    with pytest.raises(Refused, match="CartPole-v1"):
        LastIsBad(ThreeSeedsConfig(compute="local")).run()
    assert not home.exists()


@pytest.mark.slow
def test_jobs_are_launched_and_loaded_again_by_their_ids(home: Path, sky: FakeSkyPilot) -> None:
    rented = SkypilotJobConfig(gpus=0, python=sys.executable, poll_seconds=0.2)

    class Rented(ThreeSeeds):
        def training_job_configs(self) -> list[TrainingJobConfig]:
            jobs = super().training_job_configs()[:2]
            return [job.model_copy(update={"skypilot": rented}) for job in jobs]

    experiment = Rented(ThreeSeedsConfig(git_check=False), values=TINY, sky=sky)
    launched = experiment.run()
    assert [job.run and job.run.status for job in launched] == ["succeeded", "succeeded"], launched[0].run.logs()
    assert sky.launches == 2
    tags = {job.run.tags["axiom/launch"] for job in launched if job.run}
    assert tags == {experiment.config.instance_name}
    ids = [job.job_id for job in reversed(sky.jobs())]
    loaded = Rented(ThreeSeedsConfig(previous_job_ids=tuple(map(str, ids)))).run()
    assert [job.run and job.run.run_id for job in loaded] == [job.run and job.run.run_id for job in launched]
    assert [job.spec for job in loaded] == [job.spec for job in launched]
    assert [job.label for job in loaded] == ["job_1", "job_2"]
    assert experiment.load_training_jobs([sky.jobs()[0].name])[0].run == launched[1].run


def test_a_job_of_no_run_here_is_refused(home: Path) -> None:
    with pytest.raises(Refused, match="no run has this name or id"):
        Experiment(ThreeSeedsConfig(previous_job_ids=("77",))).run()


def test_a_job_that_is_only_listed_has_no_run() -> None:
    config = create_quick_experiment()
    jobs = ThreeSeeds(ThreeSeedsConfig(launch=False), values=[f"name={config.name}"]).run()
    assert [(job.run, job.spec.controls.seed, job.spec.name) for job in jobs] == [
        (None, seed, "quick") for seed in range(3)
    ]
