"""The report of a run: honest words, one self-contained page, and nothing that a name could inject."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import fake_trainer
import pytest

from assets.report import RunRecord, read_record, run_report
from assets.report.record import read_rows
from assets.report.verdict import run_verdicts
from trainer.contract import (
    Interval,
    Manifest,
    Refused,
    RunDirectory,
    SimulationResult,
    begin_run,
    create_quick_experiment,
    read_manifest,
    write_text,
)

Made = Callable[..., RunDirectory]
HOSTILE = "</title><script>alert('x')</script><img src=x onerror=alert(1)>"
EMPTY = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source"}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Makes a run directory in which the fake trainer has done these stages."""

    def make(*stages: str, name: str = "quick-1", **fields: Any) -> RunDirectory:
        run = RunDirectory(tmp_path / "runs" / name)
        begin_run(create_quick_experiment(**fields), run)
        for stage in stages:
            fake_trainer.run_stage(stage, run, fake_trainer.Words(None))
        return run

    return make


class Page(HTMLParser):
    """A page taken apart: every tag must be closed in order, and what it loads is kept."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(record: RunRecord, folder: Path) -> Page:
    return Page(run_report(record).page(folder))


def test_a_whole_run_has_its_verdict_numbers_pictures_and_files(made: Made) -> None:
    run = made("train", "evaluate", controls={"seed": 7}, description="A test of mine")
    run.stage("analyze").mkdir()
    page = page_of(read_record(run), run.stage("analyze"))

    assert "arena/basic: better than a random policy: 7 [6, 8] against 0.5 [0.4, 0.6], 14.0 times as much" in page.text
    assert "one run with seed 7: how far other seeds differ is not known" in page.text
    assert "A test of mine" in page.text
    assert "axiom verify quick-1" in page.text and "axiom replay quick-1" in page.text
    assert "No episode was recorded." in page.text
    assert len(page.all("img")) == 10
    assert all(len(image["alt"] or "") > 20 for image in page.all("img"))
    for link in page.all("a"):
        assert (run.stage("analyze") / (link["href"] or "")).is_file()
    assert {"../run.yaml", "../train/manifest.json"} <= {link["href"] for link in page.all("a")}


def test_a_page_loads_nothing_and_is_one_document(made: Made) -> None:
    text = run_report(read_record(made("train", "evaluate"))).page(Path("/"))
    page = Page(text)
    for _, attributes in page.tags:
        for name in ("src", "srcset", "data", "action"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert all((link["href"] or "").startswith("data:") for link in page.all("link"))
    style = "".join(re.findall(r"<style>(.*?)</style>", text, re.S))
    assert not re.search(r"url\(|@import", style)
    assert [len(page.all(tag)) for tag in ("html", "title", "h1", "main")] == [1, 1, 1, 1]
    assert "{{" not in text and "{%" not in text


def test_a_hostile_name_description_and_error_are_only_words(made: Made) -> None:
    run = made("train", "evaluate", description=HOSTILE)
    record = read_record(run)
    evaluate = record.evaluate.model_copy(update={"status": "failed", "error": HOSTILE})
    hostile = RunRecord(HOSTILE, record.spec, record.rows, record.train, evaluate, run, run, [HOSTILE])
    text = run_report(hostile).page(run.path)
    page = Page(text)
    assert len(page.all("script")) == 1
    assert all("onerror" not in attributes for _, attributes in page.tags)
    assert "<script>alert" not in text
    assert page.text.count(HOSTILE) >= 4


def test_a_run_that_only_trained_says_that_nothing_is_known_of_how_well_it_plays(made: Made) -> None:
    page = page_of(read_record(made("train")), Path("/"))
    assert "Not evaluated: how well this agent plays is not known." in page.text
    assert "There is no evaluation to show." in page.text
    assert "better than" not in page.text


def test_a_run_that_has_just_begun_has_a_report_too(made: Made) -> None:
    page = page_of(read_record(made()), Path("/"))
    assert "The training has not ended" in page.text
    assert "There are no training metrics: no update has ended." in page.text
    assert "No stage has ended; nothing is recorded yet." in page.text
    assert "not recorded" in page.text


def test_missing_numbers_are_counted_and_never_drawn_as_zero(made: Made) -> None:
    run = made("train")
    rows = [
        {"update": 1, "agent_steps": 100, "overview/reward": None, "losses/entropy": 1.0},
        {"update": 2, "agent_steps": 200, "overview/reward": 2.0, "losses/entropy": float("nan")},
    ]
    write_text(run.metrics_file, "".join(json.dumps(row) + "\n" for row in rows) + '{"update": 3, "agen')
    page = page_of(read_record(run), Path("/"))
    assert "1 of 2 updates have no reward" in page.text
    assert "Entropy is missing or not a number in 1 of 2 updates." in page.text
    assert "Value loss was not measured." in page.text
    assert "1 of 3 lines of the metrics are damaged and left out." in page.text


def test_a_run_without_a_finished_episode_says_so(made: Made) -> None:
    run = made("train")
    write_text(run.metrics_file, json.dumps({"update": 1, "agent_steps": 100, "overview/reward": None}) + "\n")
    assert "No episode finished in 1 updates." in page_of(read_record(run), Path("/")).text


def test_a_replay_that_is_lost_or_damaged_costs_only_its_animation(made: Made) -> None:
    run = made("train", "evaluate", controls={"seed": 7})
    record = read_record(run)
    assert record.evaluate is not None
    result = record.evaluate.eval_results["arena/basic"].model_copy(update={"replays": ("replays/a.json.z",)})
    evaluate = record.evaluate.model_copy(update={"eval_results": {"arena/basic": result}})
    lost = RunRecord("lost", record.spec, record.rows, record.train, evaluate, run, run)
    text = page_of(lost, Path("/")).text
    assert "The recorded episode cannot be shown: replay = " in text and "No such file or directory" in text
    assert "better than a random policy" in text


def test_an_override_stands_in_the_diagram_and_not_what_it_replaced(made: Made) -> None:
    run = made("train", overrides={"train.compute_advantage": {"vtrace": {"rho_clip": 0.5}}})
    page = page_of(read_record(run), Path("/"))
    (alt,) = {image["alt"] for image in page.all("img") if "Overridden" in (image["alt"] or "")}
    assert alt and "Overridden: train.compute_advantage by vtrace (rho_clip 0.5, c_clip 1.0)." in alt


def outcome(low: float, high: float, random_low: float, random_high: float) -> SimulationResult:
    agent, random = ((one, (one + other) / 2, other) for one, other in ((low, high), (random_low, random_high)))
    intervals = [Interval(low=one, mean=mean, high=other) for one, mean, other in (agent, random)]
    return SimulationResult(
        mean_reward=agent[1], reward=intervals[0], random_reward=intervals[1], episodes=(), random_episodes=()
    )


@pytest.mark.parametrize(
    ("result", "tone", "words"),
    [
        (outcome(5, 7, 1, 2), "good", "better than a random policy: 6 [5, 7] against 1.5 [1, 2], 4.0 times as much"),
        (outcome(-90, -70, -500, -400), "good", "better than a random policy: -80 [-90, -70] against -450"),
        (outcome(1, 2, 5, 7), "bad", "worse than a random policy"),
        (outcome(1, 6, 5, 7), "open", "not shown to differ from a random policy"),
    ],
)
def test_a_verdict_says_no_more_than_the_intervals(made: Made, result: SimulationResult, tone: str, words: str) -> None:
    evaluate = read_manifest(made("train", "evaluate").manifest_file("evaluate"))
    (verdict,) = run_verdicts(evaluate, evaluate.model_copy(update={"eval_results": {"sim": result}}))
    assert verdict.tone == tone
    assert verdict.words.startswith(f"sim: {words}")


def test_a_failed_training_is_said_to_have_failed_and_why(made: Made) -> None:
    train = read_manifest(made("train").manifest_file("train"))
    failed: Manifest = train.model_copy(update={"status": "failed", "error": "RuntimeError: the loss is gone"})
    assert "The training failed: RuntimeError: the loss is gone." in [each.words for each in run_verdicts(failed, None)]


def test_metrics_that_cannot_be_read_are_refused_with_their_path(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=re.escape(str(tmp_path))):
        read_rows(tmp_path)
