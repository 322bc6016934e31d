"""What a launch would be is shown whole, and showing it leaves nothing behind."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.plan import plan_of
from resources.skypilot.remote import SkyPilotError
from tests.resources.skypilot.fake_skypilot import FakeSkyPilot
from trainer.contract import TrainAndEvalSpec, create_quick_experiment

QUICK = create_quick_experiment()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_task_is_that_of_the_launch_with_the_places_of_its_files(sky: FakeSkyPilot, home: Path) -> None:
    plan = plan_of(QUICK, SkypilotJobConfig(gpus=4, nodes=2, spot=False), sky, instance_name="quick-1")
    task = yaml.safe_load(plan.task_yaml)
    assert (task["name"], task["num_nodes"]) == ("axiom-quick-1-train", 2)
    assert task["resources"]["use_spot"] is False
    mounted = task["file_mounts"]["~/sky_workdir/configs/experiments/quick-1.yaml"]
    assert mounted == str(home / "runs/quick-1/run.yaml")
    assert task["workdir"] == str(home / "runs/quick-1/train/skypilot/workdir")
    assert not home.exists()
    assert sky.launches == 0


def test_the_spec_is_shown_as_it_would_be_read(sky: FakeSkyPilot) -> None:
    text = "\n".join(plan_of(QUICK, SkypilotJobConfig(), sky).lines())
    shown = text.partition(f"# the spec, {QUICK.spec_hash}\n")[2].partition("\n# candidate resources")[0]
    assert TrainAndEvalSpec.accept(yaml.safe_load(shown)) == QUICK


def test_no_secret_is_shown(sky: FakeSkyPilot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hunter2-hunter2")
    plan = plan_of(QUICK, SkypilotJobConfig(secrets=("HF_TOKEN",), setup="login hunter2-hunter2"), sky)
    assert "HF_TOKEN" in plan.task_yaml
    assert "hunter2" not in "\n".join(plan.lines()) + str(plan.plain())


def test_candidates_and_the_worst_case_are_shown_with_their_prices(sky: FakeSkyPilot) -> None:
    sky.hourly_dollars = 1.5
    config = SkypilotJobConfig(accelerator="H100", nodes=2, max_runtime_minutes=120, budget_dollars=5)
    lines = list(plan_of(QUICK, config, sky).lines())
    assert "slurm/here  2 × H100  $3.00/h" in lines
    assert "\n# worst case: $3.00 an hour, at most $6.00 (budget $5.00)" in lines[-1]
    assert "would be refused" in lines[-1]


def test_a_price_that_nobody_knows_and_resources_that_nobody_has_are_said(sky: FakeSkyPilot) -> None:
    assert "slurm/here  1 × H100  price unknown" in plan_of(QUICK, SkypilotJobConfig(accelerator="H100"), sky).lines()
    nowhere = plan_of(QUICK, SkypilotJobConfig(accelerator="TPU"), sky)
    assert "none: SkyPilot finds no resources for this task" in nowhere.lines()


def test_without_skypilot_the_plan_is_shown_and_prices_are_unknown() -> None:
    class NoSky:
        def offers(self, task: Any) -> list[Any]:
            raise SkyPilotError("offers", "No module named 'sky'.", "pip install skypilot")

    plan = plan_of(QUICK, SkypilotJobConfig(), NoSky())  # type: ignore[arg-type]
    assert "unknown: No module named 'sky'; pip install skypilot" in plan.lines()
    assert plan.task_yaml.startswith("name: axiom-quick-")


def test_gpus_that_the_spec_leaves_idle_are_warned_of(sky: FakeSkyPilot) -> None:
    idle = plan_of(create_quick_experiment(system={"device": "cpu"}), SkypilotJobConfig(gpus=1), sky)
    assert "leaves them idle" in idle.warnings[0]
    on_gpus = create_quick_experiment(system={"device": "auto"})
    assert plan_of(on_gpus, SkypilotJobConfig(gpus=1), sky).warnings == ()
    assert plan_of(QUICK, SkypilotJobConfig(gpus=0), sky).warnings == ()
