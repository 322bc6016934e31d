"""A run that failed is told to a chat: a real HTTP server gets what a real run said, and never the server's address."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import pytest

from axiom_dagster import InProcessCompute, Refused, RunHandle, TrainAndEvalExperiment, create_quick_experiment
from axiom_dagster.definitions import defs
from axiom_dagster.failure_webhook import failure_sensor, message
from resources.failure_webhook import URL_VARIABLE, FailureWebhook
from resources.home import dagster_instance

FAKE = InProcessCompute(module="fake_trainer")
TOKEN = "T0KEN-in-the-path"
WEBHOOK = FailureWebhook(pause_seconds=0, timeout_seconds=0.5)


@dataclass
class Chat:
    """A server that keeps what it gets and answers with these statuses, the last one again and again."""

    statuses: list[int] = field(default_factory=lambda: [200])
    got: list[dict[str, str]] = field(default_factory=list)
    silent: threading.Event | None = None
    address: str = ""

    def answer(self) -> int:
        return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    chat = Chat()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            chat.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            if chat.silent is not None:
                chat.silent.wait(10)
            self.send_response(chat.answer())
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    chat.address = f"http://127.0.0.1:{server.server_port}/services/{TOKEN}"
    monkeypatch.setenv(URL_VARIABLE, chat.address)
    try:
        yield chat
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def run(description: str) -> RunHandle:
    experiment = TrainAndEvalExperiment(create_quick_experiment(description=description))
    return experiment.run(compute=FAKE)


def tick(instance: dg.DagsterInstance, cursor: str | None, webhook: FailureWebhook = WEBHOOK):
    """One look of Dagster's daemon."""
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, repository_def=defs.get_repository_def(), resources={"webhook": webhook}
    )
    return failure_sensor("train_and_eval").evaluate_tick(context)


def test_a_failed_run_is_posted_once_and_one_that_succeeded_is_not(home, chat: Chat) -> None:
    with dagster_instance() as instance:
        begun = tick(instance, None)
        failed = run("fail evaluate")
        run("all well")
        first = tick(instance, begun.cursor)
        tick(instance, first.cursor)
        instance.add_run_tags(failed.run_id, {"dagster/will_retry": "true"})
        retried = message(failed, "http://ui.example.org/")
    (body,) = chat.got
    assert body["text"].startswith(f"*{failed.instance_name}* failed: ")
    assert "the loss is gone" in body["text"]
    assert body["text"].endswith(f"http://127.0.0.1:3000/runs/{failed.run_id}")
    assert retried.splitlines()[-2:] == ["Dagster tries it again.", f"http://ui.example.org/runs/{failed.run_id}"]


def test_without_an_address_the_sensor_says_so_and_fails_nothing(home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    with dagster_instance() as instance:
        begun = tick(instance, None)
        run("fail train")
        looked = tick(instance, begun.cursor)
    assert looked.skip_message == f"{URL_VARIABLE} is not set: set it where Dagster's code server starts"


def test_it_is_off_until_someone_starts_it() -> None:
    sensor = defs.resolve_sensor_def("failure_webhook")
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED


def test_a_webhook_that_is_busy_is_asked_again_and_one_that_refuses_is_not(chat: Chat) -> None:
    chat.statuses = [503, 429, 200]
    WEBHOOK.post("hello")
    assert chat.got == [{"text": "hello"}] * 3
    for status in (404, 302):
        chat.statuses, chat.got = [status], []
        with pytest.raises(dg.Failure, match=f"took nothing: HTTP {status}"):
            WEBHOOK.post("hello")
        assert len(chat.got) == 1


def test_a_webhook_that_is_down_or_silent_is_given_up_and_its_address_stays_secret(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat.silent = threading.Event()
    with pytest.raises(dg.Failure) as silent:
        FailureWebhook(tries=2, timeout_seconds=0.1, pause_seconds=0).post("hello")
    chat.silent.set()
    assert len(chat.got) == 2
    monkeypatch.setenv(URL_VARIABLE, f"http://127.0.0.1:1/{TOKEN}")
    with pytest.raises(dg.Failure) as down:
        WEBHOOK.post("hello")
    for failure, kind in ((silent, "ReadTimeout"), (down, "ConnectionError")):
        assert kind in str(failure.value)
        assert TOKEN not in repr(failure.value) and failure.value.__context__ is None


def test_no_secret_is_posted(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "hunter2hunter2")
    WEBHOOK.post(f"key hunter2hunter2, address {chat.address}")
    assert chat.got == [{"text": "key [secret], address [secret]"}]


def test_an_address_that_is_none_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, f"hooks.example.org/{TOKEN}")
    with pytest.raises(Refused, match="must begin with https://") as refused:
        WEBHOOK.post("hello")
    assert TOKEN not in str(refused.value)
