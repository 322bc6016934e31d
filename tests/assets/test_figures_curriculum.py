"""The figure of a curriculum: shares that add up, values in their order, and no figure where nothing was chosen."""

from pathlib import Path

import fake_trainer
import pytest

from assets.figures.curriculum import curriculum_chart
from assets.figures.theme import LIGHT
from assets.report import RunRecord, read_record, run_report
from trainer.contract import RunDirectory, begin_run, create_quick_experiment

TWO = [
    {"agent_steps": 100.0, "curriculum/size=5": 1.0},
    {"agent_steps": 200.0, "curriculum/size=5": 0.25, "curriculum/size=10": 0.75, "curriculum/combat=1": 1.0},
]


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    """A run that the fake trainer has trained."""
    run = RunDirectory(tmp_path / "runs" / "quick-1")
    begin_run(create_quick_experiment(), run)
    fake_trainer.run_stage("train", run, fake_trainer.Words(None))
    return read_record(run)


def test_without_a_curriculum_there_is_no_figure() -> None:
    assert curriculum_chart([{"agent_steps": 100.0, "overview/reward": 1.0}]) is None
    assert curriculum_chart([]) is None


def test_the_words_give_each_value_of_each_path_in_its_order() -> None:
    picture = curriculum_chart(TWO)
    assert picture is not None
    assert picture.alt == (
        "Curriculum: share of environments with each value, first to last update. "
        "combat: 1 0% to 100%; size: 5 100% to 25%, 10 0% to 75%."
    )


def test_bands_lie_on_each_other_and_end_at_the_whole() -> None:
    picture = curriculum_chart(TWO)
    assert picture is not None
    combat, size = picture.draw(LIGHT).axes
    assert [axes.get_title(loc="left") for axes in (combat, size)] == ["combat", "size"]
    lower, upper = (band.get_paths()[0].get_extents() for band in size.collections)
    assert (lower.y0, lower.y1, upper.y0, upper.y1) == (0.0, 1.0, 0.25, 1.0)
    assert [text.get_text() for text in size.get_legend().get_texts()] == ["10", "5"]


def test_many_values_become_eight_bands_of_neighbours_and_many_paths_six_panels() -> None:
    row = {"agent_steps": 1.0} | {f"curriculum/x={value}": 1 / 20 for value in range(20)}
    picture = curriculum_chart([row])
    assert picture is not None
    assert "0 to 2 15% to 15%, 3 to 5 15%" in picture.alt and "18 to 19 10% to 10%." in picture.alt
    paths = curriculum_chart([{"agent_steps": 1.0} | {f"curriculum/p{number}=1": 1.0 for number in range(8)}])
    assert paths is not None and paths.alt.endswith("2 more paths are not shown.")


class Counted(dict[str, float]):
    """A row that counts how often it is asked for a value."""

    asked = 0

    def __getitem__(self, name: str) -> float:
        Counted.asked += 1
        return super().__getitem__(name)

    def get(self, name: str, default: float | None = None) -> float | None:
        Counted.asked += 1
        return super().get(name, default)


def test_a_row_is_asked_for_what_it_has_and_not_for_every_value_that_any_row_has() -> None:
    rows = [Counted({"agent_steps": 1.0, f"curriculum/x={value}": 1.0}) for value in range(100)]
    assert curriculum_chart(rows) is not None
    assert Counted.asked < 10 * len(rows)


@pytest.mark.parametrize(("rows", "shown"), [(TWO, True), ([], False)])
def test_the_page_of_a_run_has_it_where_there_is_one(
    rows: list[dict[str, float]], shown: bool, record: RunRecord
) -> None:
    fields = {**vars(record), "rows": rows}
    report = run_report(RunRecord(**fields))
    assert ("curriculum.png" in report.files()) == shown
    assert ("<h2>Curriculum</h2>" in report.page(Path("/"))) == shown
