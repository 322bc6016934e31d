"""On the terminal a run speaks in its stages' words, and other loggers speak as before."""

import logging

import pytest

from axiom_dagster import InProcessCompute, TrainAndEvalExperiment, create_quick_experiment
from axiom_dagster.cli.console import stage_words


def test_a_run_shows_its_stages_words_and_none_of_dagsters(home: object, capfd: pytest.CaptureFixture[str]) -> None:
    said: list[tuple[str, str]] = []
    with stage_words(lambda stage, words: said.append((stage, words))):
        TrainAndEvalExperiment(create_quick_experiment()).run(compute=InProcessCompute(module="fake_trainer"))

    assert any(words.startswith("train 1/1 (100%)") for _, words in said)
    assert {"train", "evaluate", "analyze"} == {stage for stage, _ in said}
    assert "dagster - " not in capfd.readouterr().err


def test_other_loggers_speak_as_before(caplog: pytest.LogCaptureFixture) -> None:
    with stage_words(lambda *_: None):
        logging.getLogger("made.meanwhile").warning("still here")
    assert caplog.messages == ["still here"]
    assert logging.getLoggerClass() is logging.Logger
