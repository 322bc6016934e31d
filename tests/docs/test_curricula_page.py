"""What docs/curricula.md shows is accepted, and it names every curriculum and every end of a level."""

import re
from pathlib import Path

import yaml

from trainer.contract import TrainAndEvalSpec
from trainer.contract.override_text import set_overrides
from trainer.ops.levels import Level
from trainer.ops.op import implementations

PAGE = (Path(__file__).parents[2] / "docs" / "curricula.md").read_text()


def test_the_schedule_and_the_command_of_the_page_are_accepted():
    (shown,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    (choice,) = TrainAndEvalSpec.accept(yaml.safe_load(shown)).overrides.values()
    assert len(choice["levels"]["levels"]) == 3
    (given,) = re.findall(r'--override "(.*?)"', PAGE)
    assert set_overrides(TrainAndEvalSpec(), [given]).overrides


def test_the_page_names_every_curriculum_and_says_of_a_level_what_the_model_says():
    assert re.findall(r"^\| `(\w+)` \| [^|]* \|$", PAGE.partition("## A schedule")[0], flags=re.MULTILINE) == [
        "fixed", "bucketed", "learning_progress", "levels"
    ]  # fmt: skip
    assert set(implementations()["curriculum"]) == {"fixed", "bucketed", "learning_progress", "levels"}
    rows = [f"| `{name}` | {field.description} |" for name, field in Level.model_fields.items() if name != "buckets"]
    assert "\n".join(["| field | meaning |", "|---|---|", *rows]) + "\n\n" in PAGE
