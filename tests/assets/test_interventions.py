"""What monitors and hooks did is told in words, in a table and on the curve; where nothing was done, nothing is."""

from pathlib import Path

import fake_trainer
import pytest

from assets.figures.curve import Mark, learning_curve
from assets.interventions import ended_early, markdown, rows_of
from assets.report import RunRecord, read_record, run_report
from assets.report.interventions import early_end, marks_of
from assets.stage import materialization
from trainer.contract import InterventionRecord, RunDirectory, begin_run, create_quick_experiment

STOP = InterventionRecord(
    intervention="stop_early",
    reason="the reward | is flat",
    path="trainer.monitors.plateau.flat",
    iteration=3,
    honoured_by=("train.updates#3",),
    metric="overview/reward",
    value=2.5,
    agent_steps=6144,
    seconds=1.0,
)
SAVE = STOP.model_copy(update={"intervention": "save_checkpoint"})
HOOK = InterventionRecord(intervention="stop_early", reason="seen <enough>", path="evaluate.look")


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    """A run that the fake trainer has trained and evaluated."""
    run = RunDirectory(tmp_path / "runs" / "quick-1")
    begin_run(create_quick_experiment(), run)
    for stage in ("train", "evaluate"):
        fake_trainer.run_stage(stage, run, fake_trainer.Words(None))
    return read_record(run)


ROWS = [{"agent_steps": 2048 * n, "overview/reward": float(n)} for n in range(1, 6)]


def after(record: RunRecord, *interventions: InterventionRecord, status: str = "succeeded") -> RunRecord:
    assert record.train is not None
    train = record.train.model_copy(update={"interventions": interventions, "status": status})
    return RunRecord(record.name, record.spec, ROWS, train, record.evaluate, record.trained_in, record.evaluated_in)


def test_each_intervention_is_a_row_and_what_nobody_did_is_said_to_be_so(record: RunRecord) -> None:
    rows = [tuple(vars(row).values()) for row in rows_of(after(record, SAVE, STOP, HOOK).train)]
    assert rows == [
        ("3", "6,144", "plateau.flat", "saved a checkpoint", "the reward | is flat"),
        ("3", "6,144", "plateau.flat", "stopped the training", "the reward | is flat"),
        ("–", "–", "hook evaluate.look", "asked for stop_early; nobody did it", "seen <enough>"),
    ]


def test_the_page_says_why_the_training_ended_early_and_marks_it_on_the_curve_once(record: RunRecord) -> None:
    stopped = after(record, SAVE, STOP)
    (verdict,) = early_end(stopped)
    assert (
        verdict.words == "The training ended early after update 3 of 24, as plateau.flat asked: the reward | is flat."
    )
    assert marks_of(stopped) == [Mark(6144, "plateau.flat")]
    page = run_report(stopped).page(Path("/"))
    assert 'id="interventions"' in page and verdict.words in page
    assert "Marked: plateau.flat at 6,144 agent-steps." in page


def test_a_page_without_interventions_says_nothing_of_them(record: RunRecord) -> None:
    assert early_end(record) == [] == marks_of(record)
    assert 'id="interventions"' not in run_report(record).page(Path("/"))


def test_what_a_hook_says_is_only_words(record: RunRecord) -> None:
    assert "seen &lt;enough&gt;" in run_report(after(record, HOOK)).page(Path("/"))


@pytest.mark.parametrize(
    ("interventions", "status"), [((SAVE,), "succeeded"), ((HOOK,), "succeeded"), ((STOP,), "failed")]
)
def test_only_an_honoured_stop_of_a_training_that_succeeded_is_an_early_end(
    record: RunRecord, interventions: tuple[InterventionRecord, ...], status: str
) -> None:
    assert ended_early(after(record, *interventions, status=status).train) is None


def test_a_marked_curve_is_another_picture() -> None:
    plain, marked = (learning_curve(ROWS, "quick", marks).files() for marks in ((), (Mark(1000, "here"),)))
    assert plain["learning_curve.png"] != marked["learning_curve.png"]


def test_dagster_shows_a_table_of_them_only_where_there_are_any(record: RunRecord) -> None:
    none, some = (
        materialization(each.train, RunDirectory(Path("run"))).metadata for each in (record, after(record, STOP))
    )
    assert "interventions" not in none
    assert some["interventions"].value == markdown(after(record, STOP).train)
    assert some["interventions"].value.splitlines()[-1] == (
        r"| 3 | plateau.flat | stopped the training | the reward \| is flat |"
    )
