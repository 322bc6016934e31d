"""The command `axiom`: what it answers, what it refuses, and that a refusal leaves nothing behind."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from assets.launchpad import run_config_of
from axiom_dagster import InProcessCompute, RunHandle, TrainAndEvalExperiment
from axiom_dagster.cli.app import app
from trainer.contract import TrainAndEvalSpec, create_experiment, create_quick_experiment, save_experiment_spec

FAKE = InProcessCompute(module="fake_trainer")


def axiom(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def last_line(result: Result) -> dict[str, Any]:
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunHandle]:
    """One run for all tests that only read it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AXIOM_HOME", str(tmp_path_factory.mktemp("finished")))
        yield TrainAndEvalExperiment(create_quick_experiment()).run("mine", compute=FAKE)


def test_help_comes_at_once_and_loads_nothing_heavy():
    code = (
        "import sys; from axiom_dagster.cli.app import app\n"
        "from typer.testing import CliRunner\n"
        "assert 'experiments' in CliRunner().invoke(app, ['--help']).output\n"
        "heavy = {'torch', 'dagster', 'gymnasium', 'mettagrid', 'wandb', 'matplotlib', 'numpy', 'trainer.contract'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    assert time.perf_counter() - began < 3


def test_the_version_is_told_without_a_command():
    told = axiom("--version")
    assert (told.exit_code, told.stdout.strip()) == (0, version("axiom_dagster"))


def test_a_command_collects_seldom_while_it_loads_and_not_at_all_when_it_ends():
    code = (
        "import atexit, gc, sys\n"
        "atexit.register(lambda: print(gc.get_threshold()[0], gc.get_freeze_count()))\n"
        "from axiom_dagster.cli.app import main\n"
        "sys.argv = ['axiom', '--help']\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    between, frozen = map(int, done.stdout.splitlines()[-1].split())
    assert between == 20_000
    assert frozen > 1000


def test_a_run_on_this_machine_loads_nothing_that_only_rented_ones_need():
    code = (
        "import sys; from axiom_dagster.cli.run import ComputeName, _compute\n"
        "import axiom_dagster.experiment, axiom_dagster.definitions\n"
        "_compute(ComputeName.local, None)\n"
        "print(*{'requests', 'sky', 'axiom_dagster.rented', 'resources.skypilot.service'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("words", "spec"), [([], create_experiment()), (["--quick"], create_quick_experiment())], ids=["main", "quick"]
)
def test_a_new_spec_is_the_preset_as_yaml(words: list[str], spec: TrainAndEvalSpec):
    assert TrainAndEvalSpec.accept(yaml.safe_load(axiom("spec", "new", *words).stdout)) == spec


def test_the_schema_is_that_of_the_spec():
    assert json.loads(axiom("spec", "schema").stdout) == TrainAndEvalSpec.model_json_schema()


def test_every_door_gives_the_same_hash(tmp_path: Path):
    wanted = create_quick_experiment(controls={"seed": 7}).spec_hash
    recipe = tmp_path / "recipe.py"
    recipe.write_text("from axiom_dagster import create_quick_experiment\nspec = create_quick_experiment()\n")
    doors = [
        ("quick", "--set", "controls.seed=7"),
        (str(recipe), "--set", "controls.seed=7"),
        *((str(save_experiment_spec(create_quick_experiment(controls={"seed": 7}), tmp_path / name)),)
          for name in ("spec.yaml", "spec.json")),
    ]  # fmt: skip
    assert {last_line(axiom("spec", "validate", *door, "--json"))["spec_hash"] for door in doors} == {wanted}
    launchpad = run_config_of(create_quick_experiment(controls={"seed": 7}))["ops"]["train"]["config"]
    assert TrainAndEvalSpec.accept(json.loads(json.dumps(launchpad))).spec_hash == wanted


def test_an_experiment_may_name_an_op_of_its_own_recipe_wherever_that_lies(tmp_path: Path):
    (tmp_path / "recipe_with_op.py").write_text(
        "from axiom_dagster import create_quick_experiment\n"
        "def tenths(earned):\n"
        "    return earned.rewards * 0.1\n"
        "own = {'imported': {'target': 'recipe_with_op:tenths'}}\n"
        "spec = create_quick_experiment(overrides={'train.compute_reward': own})\n"
    )
    command = [str(Path(sys.executable).parent / "axiom"), "run", str(tmp_path / "recipe_with_op.py"), "--no-launch"]
    environment = {**os.environ, "AXIOM_HOME": str(tmp_path / "home")}
    shown = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "recipe_with_op:tenths" in shown.stdout


def test_a_recipe_may_make_its_spec_in_a_function_and_import_its_neighbour(tmp_path: Path):
    (tmp_path / "neighbour_of_recipe.py").write_text("NAME = 'by_hand'\n")
    (tmp_path / "recipe.py").write_text(
        "from axiom_dagster import create_quick_experiment\n"
        "from neighbour_of_recipe import NAME\n"
        "print('chatter')\n"
        "def create():\n"
        "    return create_quick_experiment(name=NAME)\n"
    )
    result = axiom("spec", "validate", str(tmp_path / "recipe.py"), "--json")
    assert json.loads(result.stdout)["name"] == "by_hand"


@pytest.mark.parametrize(
    ("source", "path", "why"),
    [
        ("quik", "SPEC", "did you mean 'quick'?"),
        ("none.yaml", "spec", "no such file"),
        ("none.py", "recipe", "no such file"),
        ("empty.py", "recipe", "defines neither `spec` nor `create()`"),
        ("broken.py", "recipe", "line 2: ZeroDivisionError"),
        ("unnamed.py", "name", "a name is 1 to 80"),
        ("typed.py", "learning_rate", "greater than 0"),
        ("misspelt.yaml", "trainer", "did you mean 'batch_size'?"),
        ("outside.json", "name", "a name is 1 to 80"),
        ("unknown_env.yaml", "trainer.curriculum.env.id", "did you mean 'CartPole-v1'?"),
    ],
)
def test_what_is_refused_says_why_and_leaves_nothing_behind(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, path: str, why: str
):
    files = {
        "empty.py": "",
        "broken.py": "\nspec = 1 / 0\n",
        "unnamed.py": "from axiom_dagster import create_experiment\nspec = create_experiment(name='../x')\n",
        "typed.py": "from axiom_dagster import OptimizerConfig\nspec = OptimizerConfig(learning_rate=0)\n",
        "misspelt.yaml": "trainer: {batchsize: 5}",
        "outside.json": '{"name": "../x"}',
        "unknown_env.yaml": "trainer: {curriculum: {env: {id: CartPol-v1}}}",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)

    result = axiom("run", source, "--json")

    answer = last_line(result)
    assert (result.exit_code, answer["problems"][0]["path"]) == (2, path)
    assert why in answer["error"]
    assert f"refused: {answer['error']}" in result.stderr
    assert not home.exists()


def test_a_bad_value_or_tag_is_refused_before_a_run_exists(home: Path):
    for words in (["--set", "trainer.batch_size=1000"], ["--set", "trainer.gama=1"], ["--tag", "../up"]):
        result = axiom("run", "quick", *words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("refused: ")
    assert not home.exists()


def test_runs_are_listed_with_their_rewards(finished: RunHandle):
    (row,) = last_line(axiom("runs", "--json"))["runs"]
    assert (row["instance_name"], row["status"], row["tag"]) == (finished.instance_name, "succeeded", "mine")
    assert row["mean_reward"]["arena/basic"] == finished.manifest()["eval_results"]["arena/basic"]["mean_reward"]
    assert finished.instance_name in axiom("runs").stdout
    newer = TrainAndEvalExperiment(create_quick_experiment()).run(compute=FAKE)
    assert [row["run_id"] for row in last_line(axiom("runs", "--json", "--limit", "1"))["runs"]] == [newer.run_id]


def test_no_runs_is_no_error(home: Path):
    assert "no runs yet" in axiom("runs").stdout


def test_a_run_is_shown_with_its_manifest_and_where_its_files_are(finished: RunHandle):
    answer = last_line(axiom("show", finished.run_id[:8], "--json"))
    assert answer["manifest"] == finished.manifest()
    assert answer["plot"] == str(finished.directory / "analyze" / "learning_curve.png")
    assert Path(answer["plot"]).is_file()
    shown = axiom("show", finished.instance_name).stdout
    assert str(finished.directory / "analyze" / "manifest.json") in shown
    assert "arena/basic" in shown


def test_a_failed_run_is_shown_with_its_error(home: Path):
    failed = TrainAndEvalExperiment(create_quick_experiment(description="fail evaluate")).run(compute=FAKE)
    shown = axiom("show", failed.instance_name)
    assert shown.exit_code == 0
    assert "the loss is gone" in shown.stdout
    assert last_line(axiom("show", failed.instance_name, "--json"))["status"] == "failed"


def test_an_unknown_run_is_refused(finished: RunHandle):
    result = axiom("show", finished.instance_name[:-1] + "x", "--json")
    assert result.exit_code == 2
    assert f"did you mean '{finished.instance_name}'" in last_line(result)["error"]


def test_the_ui_refuses_a_port_that_is_taken(home: Path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        result = axiom("ui", "--port", str(server.getsockname()[1]))
    assert result.exit_code == 2
    assert "Address already in use" in result.stderr
    assert not home.exists()
