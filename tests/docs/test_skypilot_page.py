"""What docs/skypilot.md tells people to type works: what shows is run, what would rent is checked."""

import os
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml

from axiom_dagster.definitions import defs
from resources.skypilot.job_config import SkypilotJobConfig
from resources.typed_config import describe

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/skypilot.md").read_text()
COMMANDS = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"^```bash\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith(("axiom run", "python cookbook/"))
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_accepted(command: str, tmp_path: Path) -> None:
    own = {"AXIOM_HOME": str(tmp_path / "home"), "SKYPILOT_API_SERVER_ENDPOINT": "http://127.0.0.1:9"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    shown = command if "--no-launch" in command else f"{command} --no-launch"
    done = subprocess.run(
        ["bash", "-c", shown],
        cwd=ROOT,
        env={**os.environ, **own, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "# to try it on this machine" in done.stdout
    assert not (tmp_path / "home").exists()


def test_the_run_config_is_accepted() -> None:
    (config,) = (yaml.safe_load(block) for block in blocks("yaml"))
    assert dg.validate_run_config(defs.resolve_job_def("train_and_eval"), config)


def test_the_recipe_and_the_analysis_run(tmp_path: Path) -> None:
    recipe, _, analysis = blocks("python")
    environment = {**os.environ, "AXIOM_HOME": str(tmp_path / "home")}
    code = recipe.replace('__name__ == "__main__"', "False") + analysis
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", SkypilotJobConfig.model_fields)
def test_every_field_stands_there_as_the_config_describes_it(name: str) -> None:
    meaning = describe(SkypilotJobConfig.model_fields[name]).partition(" (matches")[0]
    section = PAGE.partition("## What can be rented")[2]
    (row,) = (line for line in section.splitlines() if line.startswith(f"| `{name}` |"))
    assert row.endswith(f" {meaning} |")
