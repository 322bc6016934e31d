"""What README and cookbook tell a newcomer to type works: cheap commands run, of long ones the input is checked."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from axiom_dagster.cli.reference import reference
from trainer.contract import TrainAndEvalSpec

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "cookbook/README.md")
# Run for real, with small specs, by tests/end_to_end; a served page never ends by itself.
RUN_ELSEWHERE = ("dagster asset materialize", "dagster job execute", "dg launch", "dg check", "dagster definitions")
NOT_RUN = ("source .venv/bin/activate", 'eval "$(axiom env)"', "axiom ui", *RUN_ELSEWHERE)


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = [line for page in PAGES for block in blocks(page, "bash") for line in block.splitlines()]
    return [line.partition("  #")[0].strip() for line in lines if line.strip()]


def checkable(command: str) -> str:
    """The same command, or where that would take long or act outside, one that checks what it is given."""
    if command.startswith("axiom run "):
        words = [word for word in shlex.split(command)[2:] if word != "--json"]
        if "--tag" in words:
            del words[words.index("--tag") : words.index("--tag") + 2]
        return shlex.join(["axiom", "spec", "validate", *words])
    if command.startswith("make "):
        return command.replace("make ", "make --dry-run ", 1)
    if command.startswith("python cookbook/"):
        return command.replace("python ", "axiom spec validate ", 1)
    return command


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "AXIOM_HOME": str(tmp_path / "home"), "PATH": path}


def test_the_commands_of_the_readme_work_in_their_order(environment: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    folder.mkdir()
    for name in ("cookbook", "trainer", "Makefile", "constraints.txt", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    for command in commands():
        if command.startswith(NOT_RUN):
            continue
        script = checkable(command).replace(".axiom/", f"{environment['AXIOM_HOME']}/")
        done = subprocess.run(
            ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert (Path(environment["AXIOM_HOME"]) / "runs/by_hand/evaluate/manifest.json").is_file()


def test_the_python_of_the_readme_runs_from_top_to_bottom(environment: dict[str, str], tmp_path: Path) -> None:
    code = "\n".join(blocks("README.md", "python"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.partition("Final reward: ")[2]) > 0
    assert (tmp_path / "my_experiment.yaml").is_file()


def test_the_run_config_of_the_readme_is_accepted() -> None:
    (config,) = (yaml.safe_load(block) for block in blocks("README.md", "yaml"))
    assert TrainAndEvalSpec.accept(config["ops"]["train"]["config"]).trainer.optimizer.learning_rate == 0.0003


def test_every_link_to_a_file_leads_to_one() -> None:
    for page in (*PAGES, "CHANGELOG.md", *(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md"))):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / page).read_text()):
            assert ((ROOT / page).parent / link).exists(), f"{page}: {link}"


def test_the_reference_of_the_spec_is_the_specs_own() -> None:
    assert (ROOT / "docs/spec.md").read_text() == reference(), "run `make docs`"
