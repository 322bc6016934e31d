"""The commands about exposed steps: `axiom exposed`, `axiom conform`, and `--override` wherever a spec is read."""

import json
import subprocess
import sys
from inspect import getdoc
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from assets.analysis import AnalyzeJob
from axiom_dagster.cli.app import app
from axiom_dagster.exposed_steps import OF_THE_ENGINE, exposed_steps
from trainer.algorithm.declaration import exposed
from trainer.contract import TrainAndEvalSpec, create_quick_experiment
from trainer.engine.job import EvaluateJob, TrainJob
from trainer.engine.rollout import Collection, Rollout
from trainer.policies.actor_critic import Blueprint, Policy

OPS = """
import numpy as np
from trainer.ops.slots import Estimate, Experience

def rewards_only(experience: Experience, scale: float = 1.0) -> Estimate:
    return Estimate(experience.rewards * np.float32(scale), experience.rewards.copy())

def wrong(experience: Experience) -> Estimate:
    return Estimate(experience.rewards[:1], experience.rewards.copy())

class Scaled:
    def __init__(self, scale: float) -> None:
        self.scale = scale

    def __call__(self, experience: Experience) -> Estimate:
        return rewards_only(experience, self.scale)

NUMBER = 3
"""


def axiom(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def last_line(result: Result) -> dict[str, Any]:
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture
def own(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of one's own in the working directory, and nowhere in the Python path; its name."""
    name = f"own_ops_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(OPS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_an_override_is_a_part_of_the_spec_and_so_of_its_hash(home: Path) -> None:
    answer = last_line(
        axiom("spec", "validate", "quick", "--override", "compute_advantage=vtrace:rho_clip=2", "--json")
    )
    whole = {"train.compute_advantage": {"vtrace": {"rho_clip": 2.0, "c_clip": 1.0}}}
    assert answer["spec_hash"] == create_quick_experiment(overrides=whole).spec_hash
    assert answer["spec_hash"] != create_quick_experiment().spec_hash


@pytest.mark.parametrize("command", [("run", "quick"), ("spec", "validate", "quick")], ids=["run", "validate"])
@pytest.mark.parametrize(
    ("override", "path", "why"),
    [
        ("compute_advantag=vtrace", "compute_advantag", "did you mean 'train.compute_advantage'?"),
        ("train.compute_adwantage=vtrace", "train.compute_adwantage", "did you mean 'train.compute_advantage'?"),
        ("train.backward=vtrace", "train.backward", "is not exposed"),
        ("compute_advantage=vtrase", "compute_advantage", "did you mean 'vtrace'?"),
        ("compute_advantage=vtrace:rho_clip=-1", "compute_advantage.vtrace.rho_clip", "greater than 0"),
        ("compute_advantage", "--override", "not of the form PATH=IMPLEMENTATION"),
        ("compute_advantage=no_such_module_here:gae", "target", "no module named 'no_such_module_here'"),
    ],
)
def test_a_wrong_override_is_refused_and_leaves_nothing_behind(
    home: Path, command: tuple[str, ...], override: str, path: str, why: str
) -> None:
    result = axiom(*command, "--override", override, "--json")
    answer = last_line(result)
    assert (result.exit_code, answer["problems"][0]["path"]) == (2, path)
    assert why.lower() in answer["error"].lower()
    assert f"refused: {answer['error']}" in result.stderr
    assert not home.exists()


@pytest.mark.parametrize("command", [("run", "quick"), ("spec", "validate", "quick")], ids=["run", "validate"])
def test_an_op_that_breaks_its_contract_is_refused_before_a_run_exists(
    home: Path, own: str, command: tuple[str, ...]
) -> None:
    result = axiom(*command, "--override", f"compute_advantage={own}:wrong", "--json")
    assert result.exit_code == 2
    assert (
        "breaks the contract of compute_advantage: advantages and returns have the shape" in last_line(result)["error"]
    )
    assert not home.exists()


def test_an_op_of_ones_own_in_the_working_directory_is_accepted(own: str) -> None:
    result = axiom(
        "spec", "validate", "quick", "--override", f"compute_advantage={own}:rewards_only:scale=0.5", "--json"
    )
    assert (result.exit_code, last_line(result)["valid"]) == (0, True)
    assert str(Path.cwd()) not in sys.path


def test_every_exposed_step_is_listed_with_what_it_is_given_and_owes(home: Path) -> None:
    answer = last_line(axiom("exposed", "quick", "--json"))
    assert set(answer) == {"name", "spec_hash", "exposed", "pipeline"}
    assert {step["path"] for step in answer["exposed"]} == set(exposed())
    for step in answer["exposed"]:
        assert set(step) == {
            "path", "slot", "kind", "summary", "given", "owes", "declared", "overridden_by", "implementations"
        }  # fmt: skip
        assert step["path"].split(".")[-1] == step["slot"]
        assert {"record", "meaning", "fields"} == set(step["given"]) == set(step["owes"])
        assert all((step["summary"], step["given"]["meaning"], step["owes"]["meaning"]))
        assert "imported" in [implementation["name"] for implementation in step["implementations"]]
    assert not home.exists()


def test_an_implementation_is_listed_with_its_parameters_and_its_paper() -> None:
    step = {step.path: step for step in exposed_steps(TrainAndEvalSpec())}["train.compute_advantage"]
    vtrace = {implementation.name: implementation for implementation in step.implementations}["vtrace"]
    assert step.given.fields["rewards"] == "Floats"
    assert "arXiv:1802.01561" in vtrace.source
    assert vtrace.parameters[0].plain() == {
        "name": "rho_clip",
        "type": "float",
        "required": False,
        "default": 1.0,
        "bounds": "> 0",
        "description": "Bound of the ratio that weighs each step's own error.",
    }


def test_what_a_spec_declares_and_overrides_is_listed() -> None:
    spec = TrainAndEvalSpec.accept({"trainer": {"optimizer": {"type": "sgd"}}, "overrides": {"compute_loss": "a2c"}})
    steps = {step.slot: step for step in exposed_steps(spec)}
    assert list(steps["adam_step"].declared) == ["sgd"]
    assert (steps["compute_loss"].declared, steps["compute_loss"].overridden_by) == ({"ppo_clip": {}}, {"a2c": {}})
    assert (steps["train"].declared, steps["train"].overridden_by) == ({"declared": {}}, None)


@pytest.mark.parametrize(
    ("slot", "given", "owed"),
    [
        ("train", TrainJob, TrainJob),
        ("policy", Blueprint, Policy),
        ("rollout", Collection, Rollout),
        ("evaluate", EvaluateJob, EvaluateJob),
        ("analyze", AnalyzeJob, AnalyzeJob),
    ],
)
def test_the_words_for_the_engines_records_are_the_records_own(slot: str, given: type, owed: type) -> None:
    _, one, other = OF_THE_ENGINE[slot]
    assert one.record == given.__name__
    for term, record in ((one, given), (other, owed)):
        said = " ".join((getdoc(record) or "").split()).lower()
        assert term.meaning.lower().removeprefix("a ").rstrip(".") in said


def test_the_list_fits_on_a_terminal() -> None:
    shown = axiom("exposed", "quick", "--override", "compute_loss=a2c").stdout
    assert max(map(len, shown.splitlines())) <= 100
    assert "runs   a2c, in place of ppo_clip" in shown
    assert "rho_clip (float, > 0, default 1.0)" in shown


def test_the_pipeline_is_drawn_with_its_overrides(own: str) -> None:
    drawn = axiom("exposed", "quick", "--render", "text", "--override", f"compute_advantage={own}:rewards_only").stdout
    assert f"compute_advantage [stage, exposed, overridden by {own}:rewards_only]" in drawn
    assert axiom("exposed", "quick", "--render", "mermaid").stdout.startswith("flowchart TD")
    assert last_line(axiom("exposed", "quick", "--render", "text", "--json"))["pipeline"].startswith("train_and_eval")


def test_listing_loads_neither_torch_nor_dagster() -> None:
    code = (
        "import sys; from axiom_dagster.cli.app import app\n"
        "from typer.testing import CliRunner\n"
        "assert CliRunner().invoke(app, ['exposed', 'quick', '--json']).exit_code == 0\n"
        "heavy = {'torch', 'dagster', 'gymnasium', 'mettagrid', 'wandb', 'matplotlib'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("op", "slot"),
    [("vtrace", "compute_advantage"), ("sgd:momentum=0", "adam_step"), ("global_norm", "clip_gradients")],
)
def test_a_registered_op_keeps_its_contract(op: str, slot: str) -> None:
    result = axiom("conform", op, "--slot", slot, "--json")
    answer = last_line(result)
    assert (result.exit_code, answer["held"], list(answer["op"])) == (0, True, [op.partition(":")[0]])
    assert len(answer["clauses"]) > 3
    assert all(clause["held"] and not clause["why"] for clause in answer["clauses"])


@pytest.mark.parametrize("target", ["rewards_only", "rewards_only:scale=2.0", "Scaled:scale=2.0"])
def test_an_op_of_ones_own_is_held_to_the_contract_with_its_parameters(own: str, target: str) -> None:
    result = axiom("conform", f"{own}:{target}", "--slot", "compute_advantage")
    assert result.exit_code == 0, result.output
    assert {line.split()[0] for line in result.stdout.splitlines()} == {"held"}


def test_a_wrong_op_ends_with_1_and_says_which_clause_it_breaks(own: str) -> None:
    result = axiom("conform", f"{own}:wrong", "--slot", "compute_advantage")
    assert result.exit_code == 1
    assert "broken  advantages and returns have the shape (T, N) of the rewards: advantages has shape" in result.stdout
    answer = last_line(axiom("conform", f"{own}:wrong", "--slot", "compute_advantage", "--json"))
    assert answer["held"] is False


@pytest.mark.parametrize(
    ("target", "slot", "why"),
    [
        ("vtrace", "compute_advantag", "did you mean"),
        ("{own}:rewards_only", "compute_advantag", "did you mean"),
        ("vtrase", "compute_advantage", "did you mean 'vtrace'?"),
        ("vtrace:rho_clip=-1", "compute_advantage", "greater than 0"),
        ("{own}:nothing", "compute_advantage", "cannot be imported"),
        ("no_such_module_here:gae", "compute_advantage", "cannot be imported"),
        ("{own}:NUMBER", "compute_advantage", "cannot be called"),
        ("{own}:Scaled", "compute_advantage", "does not take them"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_2(own: str, target: str, slot: str, why: str) -> None:
    result = axiom("conform", target.format(own=own), "--slot", slot, "--json")
    assert result.exit_code == 2, result.output
    assert why in last_line(result)["error"]


def test_of_a_whole_stage_nothing_is_asked(own: str) -> None:
    result = axiom("conform", f"{own}:rewards_only", "--slot", "train")
    assert (result.exit_code, "whole stage" in result.stdout) == (0, True)
