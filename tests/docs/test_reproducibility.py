"""What docs/reproducibility.md shows works, in its order, with the exit codes that it names."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "reproducibility.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_code_and_the_commands_of_the_page_work(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "AXIOM_HOME": str(tmp_path / "home"), "PATH": path, "PYTHONPATH": str(PAGE.parents[1])}
    code = "\n".join([*blocks("python"), "print('NAMES', run.instance_name, other.instance_name)"])
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    names = dict(zip(("RUN", "OTHER"), done.stdout.splitlines()[-1].split()[1:], strict=True))
    commands = [line.partition("  #") for block in blocks("bash") for line in block.splitlines()]
    assert len(commands) == 7
    for command, _, comment in commands:
        shown = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment | names, capture_output=True, text=True, check=False
        )
        wanted = 1 if "exit code 1" in comment else 0
        assert shown.returncode == wanted, f"{command}\n{shown.stdout}\n{shown.stderr}"
        if "--set" in command:
            (answer,) = blocks("text")
            pattern = re.escape(answer.splitlines()[0]).replace("…", ".*")
            assert re.match(pattern, shown.stdout)
