"""What docs/variants.md shows is accepted: its file declares what the page says, its Python runs."""

import re
from pathlib import Path

import yaml

from trainer.contract import Variants

PAGE = (Path(__file__).parents[2] / "docs" / "variants.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def test_the_pages_file_declares_two_arms_with_three_seeds() -> None:
    (text,) = blocks("yaml")
    declared = Variants.accept(yaml.safe_load(text))
    assert [(run.variant, run.seed) for run in declared.runs()] == [
        (arm, seed) for arm in ("gae", "vtrace") for seed in (1, 2, 3)
    ]


def test_the_pages_python_runs(capsys) -> None:
    (text,) = blocks("python")
    exec(text, {})
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_the_page_says_of_every_field_what_it_is() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE, flags=re.MULTILINE))
    assert named == Variants.model_fields.keys() - {"description"}
