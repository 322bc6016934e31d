"""One contract for whoever answers about runs: the official client on a server, and the files of a home."""

import json
import logging
import os
from collections.abc import Iterator
from math import isnan
from pathlib import Path

import pytest

from resources.wandb.local_source import LocalSource
from resources.wandb.online_source import OnlineSource
from resources.wandb.service import WandbService, get_wandb_service
from resources.wandb.source import RunSource
from tests.resources.wandb.wandb_server import KEY, WandbServer, serving
from trainer.contract import Refused, RunDirectory, begin_run, create_quick_experiment, load_experiment_spec

RUNS = {"first-1": ("first", ["night", "lr"]), "first-2": ("first", ["night"]), "other-1": ("other", [])}


def rows(name: str) -> list[dict[str, float | None]]:
    reward = 1.0 if name == "first-1" else float("nan")
    return [
        {"update": n, "agent_steps": 10 * n, "overview/reward": reward * n, "losses/entropy": None if n == 1 else 0.5}
        for n in (1, 2, 3)
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs, one of them ended well, one that printed something."""
    home = tmp_path_factory.mktemp("home")
    for name, (experiment, tags) in RUNS.items():
        run = RunDirectory(home / "runs" / name)
        begin_run(create_quick_experiment(name=experiment, wandb={"tags": tags}), run)
        run.stage("train").mkdir()
        run.metrics_file.write_text("".join(json.dumps(row) + "\n" for row in rows(name)))
    (home / "runs" / "first-1" / "train" / "console.log").write_text("one\ntwo\n")
    return home


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[WandbServer]:
    """The same runs as the official client has sent them; that it does is tested elsewhere."""
    with serving() as server:
        for name, (experiment, tags) in RUNS.items():
            spec = load_experiment_spec(home / "runs" / name / "run.yaml").plain()
            config = {key: {"value": value} for key, value in spec.items()} | {"axiom": {"value": {"commit": "abc"}}}
            server.keep(name, experiment, "train", tags, config, rows(name))
        server.run("first-1").files["output.log"] = b"one\ntwo\n"
        yield server


@pytest.fixture(params=["online", "local"])
def source(request: pytest.FixtureRequest, home: Path) -> RunSource:
    if request.param == "local":
        return LocalSource(home)
    server: WandbServer = request.getfixturevalue("server")
    return OnlineSource("axiom", None, {**os.environ, "WANDB_API_KEY": KEY, "WANDB_BASE_URL": server.url})


@pytest.fixture
def service(source: RunSource, home: Path, caplog: pytest.LogCaptureFixture) -> Iterator[WandbService]:
    yield WandbService(source, LocalSource(home))
    assert not [message for message in caplog.messages if "answering from local files" in message]


def test_the_runs_of_an_experiment_are_a_table_that_says_who_answered(service, source):
    found = service.get_runs_for_experiment("first")
    assert [(row.run_id, row.experiment, row.stage, row.tags) for row in found] == [
        ("first-1", "first", "train", ("night", "lr")),
        ("first-2", "first", "train", ("night",)),
    ]
    assert found.source == source.name
    assert found.table().splitlines()[0].startswith("run_id   experiment  stage  status")
    assert found.plain()[0]["tags"] == ["night", "lr"]


def test_an_unknown_experiment_is_refused_with_the_nearest_name(service):
    with pytest.raises(Refused, match=r"experiment = 'frist'.*did you mean 'first'\? allowed: first, other"):
        service.get_runs_for_experiment("frist")


def test_trainings_are_found_by_experiment_tags_and_status(service):
    def found(**wanted):
        return [row.run_id for row in service.find_training_jobs(**wanted)]

    assert found() == ["first-1", "first-2", "other-1"]
    assert found(tags=["night", "lr"]) == ["first-1"]
    assert found(experiment="first", status="running") == ["first-1", "first-2"]
    assert found(experiment="other", tags=["night"]) == found(status="failed") == []


def test_metrics_are_rows_in_order_without_what_is_missing(service):
    found = list(service.fetch_metrics_data(["first-1"]))
    assert [(row.update, row.agent_steps) for row in found] == [(1, 10), (2, 20), (3, 30)]
    assert [dict(row.values) for row in found][:2] == [
        {"overview/reward": 1.0},
        {"losses/entropy": 0.5, "overview/reward": 2.0},
    ]
    only = service.fetch_metrics_data(["first-1"], keys=["losses/entropy"])
    assert [dict(row.values) for row in only] == [{}, {"losses/entropy": 0.5}, {"losses/entropy": 0.5}]


def test_what_is_no_number_stays_one_and_is_none_in_json(service):
    found = service.fetch_metrics_data(["first-2"])
    assert all(isnan(row.values["overview/reward"]) for row in found)
    assert {row["overview/reward"] for row in found.plain()} == {None}


def test_statuses_come_in_the_order_that_they_are_asked_in(service):
    assert [row.run_id for row in service.get_run_statuses(["other-1", "first-1"])] == ["other-1", "first-1"]
    assert {row.status for row in service.get_run_statuses(["other-1", "first-1"])} == {"running"}


def test_an_unknown_run_is_refused_with_the_nearest_name(service):
    for question in (service.get_run_config, service.get_training_logs, lambda run: service.get_run_statuses([run])):
        with pytest.raises(Refused, match=r"run = 'first-11'.*did you mean 'first-1'"):
            question("first-11")


def test_the_config_of_a_run_is_its_spec(service, home):
    spec = load_experiment_spec(home / "runs" / "first-1" / "run.yaml")
    assert service.get_run_config("first-1") == spec.plain()


def test_logs_are_lines_and_local_files_answer_where_the_server_has_none(service, home):
    assert [(row.line, row.text) for row in service.get_training_logs("first-1")] == [(1, "one"), (2, "two")]
    assert len(service.get_training_logs("other-1")) == 0
    assert service.get_training_logs("other-1").source == "local"


def test_without_a_key_local_files_answer_and_say_so(home, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        found = get_wandb_service(home, environment={"HOME": str(tmp_path)}).find_training_jobs()
    assert (found.source, len(found)) == ("local", 3)
    assert caplog.messages == ["no key for https://api.wandb.ai: answering from local files"]


@pytest.mark.parametrize("broken", [{"WANDB_API_KEY": "f" * 40}, {"WANDB_BASE_URL": "http://127.0.0.1:9"}])
def test_with_a_wrong_key_or_no_network_local_files_answer_and_say_so(home, server, caplog, broken):
    environment = {**os.environ, "WANDB_API_KEY": KEY, "WANDB_BASE_URL": server.url, **broken}
    with caplog.at_level(logging.WARNING):
        found = get_wandb_service(home, environment=environment).get_runs_for_experiment("first")
    assert (found.source, len(found)) == ("local", 2)
    (message,) = [message for message in caplog.messages if message.endswith("answering from local files")]
    assert "f" * 40 not in message
