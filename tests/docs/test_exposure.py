"""The page about exposed steps is executed from top to bottom: its files written, its commands and its Python run."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from axiom_dagster.definitions import defs
from axiom_dagster.exposed_steps import exposed_steps
from trainer.contract import TrainAndEvalSpec

PAGE = Path(__file__).parents[2] / "docs" / "exposure.md"
FILE = re.compile(r"# (\w+\.(?:py|yaml))\n")


def blocks(language: str) -> Iterator[str]:
    yield from re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)


def code(language: str) -> list[str]:
    """The blocks that are no files."""
    return [block for block in blocks(language) if not FILE.match(block)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with the files that the page shows."""
    folder = tmp_path_factory.mktemp("reader")
    files = {found[1]: block for block in (*blocks("yaml"), *blocks("python")) if (found := FILE.match(block))}
    assert set(files) == {"cartpole.yaml", "my_ops.py"}
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "AXIOM_HOME": str(folder / "home"), "PATH": path}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "command", [line.partition("  #")[0].strip() for block in code("bash") for line in block.splitlines()]
)
def test_a_command_of_the_page_works(folder: Path, command: str) -> None:
    done = run(["bash", "-c", command], folder)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_python_of_the_page_runs_from_top_to_bottom(folder: Path) -> None:
    done = run([sys.executable, "-c", "\n".join(code("python"))], folder)
    assert done.returncode == 0, done.stderr
    assert "did you mean 'train.compute_advantage'?" in done.stdout


def test_the_run_config_of_the_page_is_accepted() -> None:
    (config,) = (yaml.safe_load(block) for block in code("yaml"))
    job = defs.resolve_job_def("train_and_eval")
    assert dg.validate_run_config(job, config)["resources"]["compute_advantage"]["config"]["op"]["vtrace"]


def test_the_table_of_the_page_has_every_exposed_step_and_every_implementation() -> None:
    rows = dict(re.findall(r"^\| `([\w.]+)` \| (.*) \|$", PAGE.read_text(), flags=re.MULTILINE))
    for step in exposed_steps(TrainAndEvalSpec()):
        names = {implementation.name for implementation in step.implementations} - {"imported"}
        last = rows[step.path].rpartition(" | ")[2]
        assert names == set(re.findall(r"`(\w+)`", last)), step.path
        assert names or last == "your own"
