"""What docs/sweeps.md shows is accepted, and its commands and its code do what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from trainer.contract.sweep import Sweep
from trainer.contract.sweep_population import PopulationConfig

PAGE = Path(__file__).parents[2] / "docs" / "sweeps.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)


def block(language: str) -> str:
    (shown,) = blocks(language)
    return shown


def test_the_sweep_of_the_page_is_accepted_and_names_every_part() -> None:
    shown, population = map(yaml.safe_load, blocks("yaml"))
    sweep = Sweep.accept(shown)
    assert {*shown, "population"} == set(Sweep.model_fields)
    assert set(population["population"]) == set(PopulationConfig.model_fields)
    assert Sweep.accept(population).together == 5
    assert f"axiom sweep {sweep.name}.yaml" in block("bash")
    assert f".axiom/sweeps/{sweep.name}/best.yaml" in block("bash")
    for picture in ("sweep", "population"):
        assert f"(pictures/{picture}.png)" in PAGE.read_text()
        assert (PAGE.parent / "pictures" / f"{picture}.png").stat().st_size < 100_000


@pytest.mark.slow
def test_the_code_of_the_page_finds_a_best_trial(tmp_path: Path) -> None:
    environment = {**os.environ, "AXIOM_HOME": str(tmp_path / "home"), "PYTHONPATH": str(PAGE.parents[1])}
    words = [sys.executable, "-c", block("python")]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "'trainer.optimizer.type'" in done.stdout
    assert (tmp_path / "home" / "sweeps" / "two_rates" / "best.yaml").exists()
