"""What docs/compositions.md shows is accepted, and its code does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from trainer.contract.composition import Composition
from trainer.contract.composition_course import Phase

PAGE = Path(__file__).parents[2] / "docs" / "compositions.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), flags=re.MULTILINE | re.DOTALL)


def test_the_composition_of_the_page_is_accepted_and_its_fields_are_all_told() -> None:
    (shown,) = blocks("yaml")
    chain = Composition.accept(yaml.safe_load(shown))
    assert list(chain.phases) == ["pretrain", "repair", "finetune"] and chain.phases["finetune"].rounds == 3
    assert all(f"{chain.name}.yaml" in line for line in blocks("bash")[0].splitlines())
    named = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| ([^|]+) \|", PAGE.read_text(), flags=re.MULTILINE))))
    assert named == set(Phase.model_fields)


def test_the_chain_of_ones_own_definitions_is_a_chain() -> None:
    made: dict[str, object] = {}
    exec(blocks("python")[1], made)
    pretrain, finetune, evaluate = made["chain"]  # pyright: ignore[reportGeneralTypeIssues]
    assert finetune.dependency_keys == {pretrain.key} and evaluate.dependency_keys == {finetune.key}


@pytest.mark.slow
def test_the_code_of_the_page_finetunes_what_it_has_pretrained(tmp_path: Path) -> None:
    environment = {**os.environ, "AXIOM_HOME": str(tmp_path / "home"), "PYTHONPATH": str(PAGE.parents[1])}
    words = [sys.executable, "-c", blocks("python")[0]]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pretrain, finetune = done.stdout.splitlines()
    assert pretrain == "pretrain 1 ran None "
    assert re.fullmatch(r"finetune 1 ran two_phases-pretrain-\S+ ", finetune)
