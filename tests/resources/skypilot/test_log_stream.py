"""Messages through a job's log arrive once and in order, whatever happens to the connection; what is lost is told."""

import json
import random
import threading
import time
from hashlib import sha256

import pytest

from resources.skypilot.log_stream import LogStream, Patience
from resources.skypilot.remote import LogRequest
from tests.resources.skypilot.job_log import JobLog, Proxy, chaos, served
from trainer.contract.frames import Frames

QUICK = Patience(silence=0.5, hole=0.3, first_pause=0.01, longest_pause=0.05, outage=0.2)


def digest_of(sequence) -> str:
    return sha256(json.dumps(sequence).encode()).hexdigest()


class Listener:
    """A stream and all that it said."""

    def __init__(self, tmp_path, port: int, patience: Patience = QUICK) -> None:
        self.received: list[dict] = []
        self.said: list[str] = []
        self.console = tmp_path / "console.log"
        request = LogRequest(url=f"http://127.0.0.1:{port}/logs", headers={}, body={"job": 7})
        cursor = tmp_path / "skypilot" / "cursor.json"
        self.stream = LogStream(
            lambda: request, cursor, self.received.append, self.said.append, console=self.console, patience=patience
        ).start()

    def wait_for(self, count: int, seconds: float = 30) -> None:
        until = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < until, f"{len(self.received)} of {count} messages came; {self.said}"
            time.sleep(0.01)


@pytest.fixture
def log():
    return JobLog()


@pytest.fixture
def port(log):
    with served(log) as port:
        yield port


def decorated(line: str, chance: random.Random) -> str:
    before = chance.choice(["", "(axiom-x-train, pid=41) ", "\x1b[36m(head, rank=0, pid=9)\x1b[0m ", "epoch 3  40%\r"])
    return before + line + chance.choice(["\n", "\r\n", "\r"])


def write_all(log: JobLog, messages: list[dict], chance: random.Random) -> None:
    """The messages among much else: lines of 300 kB, progress bars, lines that are there twice."""
    frames = Frames()
    for message in messages:
        if chance.random() < 0.02:
            log.write("x" * 300_000 + "\n")
        for line in frames.write(message):
            log.write(decorated(line, chance) * chance.choice([1, 1, 1, 2]))
        if chance.random() < 0.1:
            time.sleep(0.005)


def spoiled_once(log: JobLog, chance: random.Random) -> None:
    """Some of the log's parts are lost the first time that they are served."""
    lost: dict[int, bool] = {}

    def spoil(part: int) -> bool:
        first = part not in lost
        lost.setdefault(part, chance.random() < 0.005)
        return first and lost[part]

    log.spoil = spoil


@pytest.mark.parametrize("seed", range(6))
def test_what_is_received_through_chaos_is_what_was_sent(tmp_path, log, port, seed):
    chance = random.Random(seed)
    sent = [{"n": n, "text": chance.randbytes(chance.randrange(1000)).hex()} for n in range(300)]
    sent[40] = {"text": chance.randbytes(150_000).hex()}
    spoiled_once(log, random.Random(seed))
    with Proxy(port, chaos(seed, connections=12)) as proxy:
        writer = threading.Thread(target=write_all, args=(log, sent, chance))
        writer.start()
        listener = Listener(tmp_path, proxy.port)
        writer.join()
        log.ended = True
        assert listener.stream.finish(30)
    assert digest_of(listener.received) == digest_of(sent)
    assert [words for words in listener.said if "missing" in words] == []
    assert len(log.requests) > 5 and len(proxy.met) > 3


def test_a_line_that_is_not_in_the_log_is_one_gap_and_all_else_arrives(tmp_path, log, port):
    frames = Frames("ab")
    for n in range(300):
        [line] = frames.write({"n": n})
        log.write(f"{line}\n" if n != 100 else f"{line[:-9]}\n")
    listener = Listener(tmp_path, port)
    listener.wait_for(299)
    listener.stream.stop()
    assert [message["n"] for message in listener.received] == [n for n in range(300) if n != 100]
    [said] = listener.said
    assert "101 to 101 of ab" in said
    assert len(log.requests) == 2


def test_a_line_that_one_reading_lacks_is_found_by_the_next(tmp_path, log, port):
    frames = Frames()
    for n in range(300):
        log.write("".join(f"{line}\n" for line in frames.write({"n": n})))
    log.spoil = lambda part: part == 100 and len(log.requests) == 1
    listener = Listener(tmp_path, port)
    listener.wait_for(300)
    listener.stream.stop()
    assert [message["n"] for message in listener.received] == list(range(300))
    assert listener.said == [] and len(log.requests) == 2


def test_a_process_that_is_started_anew_goes_on_without_repeating(tmp_path, log, port):
    frames = Frames()
    for n in range(100):
        log.write("".join(f"{line}\n" for line in frames.write({"n": n})))
    first = Listener(tmp_path, port)
    first.wait_for(100)
    first.stream.stop()
    for n in range(100, 200):
        log.write("".join(f"{line}\n" for line in frames.write({"n": n})))
    second = Listener(tmp_path, port)
    second.wait_for(100)
    second.stream.stop()
    assert [message["n"] for message in [*first.received, *second.received]] == list(range(200))


def test_the_console_has_all_other_text_once_however_often_the_log_is_read(tmp_path, log, port):
    frames = Frames()
    for n in range(60):
        log.write(f"(job, pid=3) line {n}\n" + "".join(f"(job, pid=3) {line}\n" for line in frames.write({"n": n})))
    with Proxy(port, lambda connection: ("cut", 1000 * connection + 100) if connection < 5 else ("none", 0)) as proxy:
        listener = Listener(tmp_path, proxy.port)
        listener.wait_for(60)
        log.ended = True
        assert listener.stream.finish(10)
    lines = [f"(job, pid=3) line {n}" for n in range(60)]
    assert listener.console.read_text().splitlines() == lines
    assert listener.stream.tail == tuple(lines[-30:])
    assert len(proxy.met) == 5


def test_a_response_whose_headers_were_torn_is_not_the_end_of_the_log(tmp_path, log, port):
    log.ended = True
    with Proxy(port, lambda connection: ("cut", 60) if connection < 3 else ("stall", 0)) as proxy:
        listener = Listener(tmp_path, proxy.port)
        assert not listener.stream.ended.wait(1)
        listener.stream.stop()
    assert proxy.met[:3] == ["cut", "cut", "cut"]


def test_stopping_does_not_wait_for_a_log_that_says_nothing(tmp_path, log, port):
    log.write("".join(f"{line}\n" for line in Frames().write({})))
    listener = Listener(tmp_path, port, Patience())
    listener.wait_for(1)
    began = time.monotonic()
    listener.stream.stop()
    assert time.monotonic() - began < 0.5
    assert not listener.stream.ended.is_set()


def test_a_stream_that_ends_while_the_job_goes_on_is_opened_again(tmp_path, log, port):
    frames = Frames()
    log.ended = True
    listener = Listener(tmp_path, port)
    assert listener.stream.ended.wait(5)
    heard = listener.stream.last_heard
    log.write("".join(f"{line}\n" for line in frames.write({"n": 1})))
    listener.wait_for(1)
    listener.stream.stop()
    assert listener.stream.last_heard > heard


def test_a_server_that_is_about_to_restart_is_called_again(tmp_path, log, port):
    log.spoil = lambda part: part == 0 and len(log.requests) > 1
    log.write('<sky-payload>"<retry></retry>"</sky-payload>\n')
    log.write("".join(f"{line}\n" for line in Frames().write({"n": 1})))
    listener = Listener(tmp_path, port)
    listener.wait_for(1)
    listener.stream.stop()
    assert len(log.requests) >= 2


def test_an_outage_is_said_once_and_so_is_its_end(tmp_path, log, port):
    log.status = 401
    listener = Listener(tmp_path, port)
    time.sleep(0.6)
    [said] = listener.said
    assert "401" in said and "credentials have expired" in said
    log.status = 200
    log.write("".join(f"{line}\n" for line in Frames().write({"n": 1})))
    listener.wait_for(1)
    listener.stream.stop()
    assert listener.said[1:] == ["the job's log can be read again"]


def test_finishing_gives_up_where_the_log_is_gone_and_tells_what_is_missing(tmp_path, log, port):
    lines = Frames("ab").write({"text": random.Random(0).randbytes(4000).hex()})
    log.write("".join(f"{line}\n" for line in lines[:-1]))
    with Proxy(port, lambda connection: ("stall", 0) if connection else ("cut", 1 << 14)) as proxy:
        listener = Listener(tmp_path, proxy.port)
        time.sleep(0.3)
        began = time.monotonic()
        assert not listener.stream.finish(1.0)
    assert time.monotonic() - began < 4
    assert [words for words in listener.said if "missing" in words] == [
        f"1 line(s) of messages are missing from the log: {len(lines)} to {len(lines)} of ab; "
        "the training itself goes on undisturbed"
    ]


def test_a_message_that_cannot_be_used_costs_only_itself(tmp_path, log, port):
    frames, received = Frames(), []

    def deliver(message) -> None:
        received.append(1 / message["n"])

    for n in (1, 0, 2):
        log.write("".join(f"{line}\n" for line in frames.write({"n": n})))
    listener = Listener(tmp_path / "unused", port)
    request = LogRequest(url=f"http://127.0.0.1:{port}/logs", headers={}, body={})
    said: list[str] = []
    cursor = tmp_path / "cursor.json"
    stream = LogStream(lambda: request, cursor, deliver, said.append, console=tmp_path / "log", patience=QUICK).start()
    listener.wait_for(3)
    time.sleep(0.2)
    stream.stop()
    listener.stream.stop()
    assert received == [1, 0.5] and "ZeroDivisionError" in said[0]
