"""A W&B server on loopback: the part of its API that the official client uses, over real HTTP; runs live in memory.

It answers GraphQL by walking what is asked over plain data, so a field that the client asks for and W&B has not is
null here. Like W&B it keeps one history for each run, in the order of arrival, and knows a client by its key.
"""

import gzip
import json
import re
import threading
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from tests.resources.wandb.artifacts import Artifacts
from tests.resources.wandb.graphql_walk import answered, operation_name

KEY = "0123456789abcdef0123456789abcdef01234567"
ENTITY = "lab"
FINISHED, FAILED, RUNNING = "finished", "failed", "running"


@dataclass
class KeptRun:
    """What the server keeps of one run; `history` has each row as it came."""

    name: str
    project: str
    entity: str = ENTITY
    fields: dict[str, Any] = field(default_factory=dict)
    history: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    state: str = RUNNING

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The history as data."""
        return [json.loads(line) for line in self.history]

    @property
    def config(self) -> dict[str, Any]:
        """The config without W&B's own wrapping."""
        wrapped = json.loads(self.fields.get("config") or "{}")
        return {name: value["value"] for name, value in wrapped.items() if name != "_wandb"}


class WandbServer:
    """The server's state, and how it may misbehave.

    `rows_until_broken`: how many rows of a history it still takes; afterwards every upload is answered with 500.
    `silent`: no question is answered until the test ends.
    """

    def __init__(self) -> None:
        self.runs: dict[tuple[str, str], KeptRun] = {}
        self.asked: list[str] = []
        self.artifacts = Artifacts(lambda: self.url)
        self.rows_until_broken: int | None = None
        self.released = threading.Event()
        self.silent = False
        self.url = ""

    def run(self, name: str) -> KeptRun:
        """The run of that id, in whatever project."""
        return next(run for (_, known), run in self.runs.items() if known == name)

    def keep(
        self,
        name: str,
        group: str,
        job_type: str,
        tags: list[str],
        config: Mapping[str, Any],
        rows: Iterable[Mapping[str, Any]],
    ) -> None:
        """A run as a client leaves it that has not finished it; the client drops what is empty."""
        fields = {"group": group, "jobType": job_type, "tags": tags, "config": json.dumps(_without_empty(config))}
        history = [
            json.dumps({"_step": row["update"], **{k: v for k, v in row.items() if v is not None}}) for row in rows
        ]
        self.runs["axiom", name] = KeptRun(name, "axiom", fields=fields, history=history)

    def answer(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """What GraphQL answers."""
        self.asked.append(operation_name(query))
        return answered(query, variables, self._root())

    def _root(self) -> dict[str, Any]:
        viewer = {"id": "VXNlcjox", "username": ENTITY, "entity": ENTITY, "email": "lab@example.org", "flags": "{}"}
        viewer |= {"teams": {"edges": []}, "admin": False, "name": ENTITY}
        return {
            "viewer": viewer,
            "serverInfo": {"features": [], "cliVersionInfo": {"max_cli_version": "0.99.0"}},
            "model": self._project,
            "project": self._project,
            "upsertBucket": self._upsert,
            "createRunFiles": self._create_files,
            **self.artifacts.root(),
        }

    def _project(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        name = given.get("name")
        return {
            "id": f"project-{name}",
            "internalId": "1",
            "name": name,
            "entity": {"id": "entity-1", "name": ENTITY},
            "entityName": ENTITY,
            "readOnly": False,
            "run": lambda asked: self._described(name, asked.get("name")),
            "bucket": lambda asked: self._described(name, asked.get("name")),
            "runCount": lambda asked: len(self._wanted(name, asked)),
            "runs": lambda asked: self._page(name, asked),
        }

    def _wanted(self, project: str, asked: Mapping[str, Any]) -> list[KeptRun]:
        filters = json.loads(asked.get("filters") or "{}")
        return [run for (place, _), run in self.runs.items() if place == project and _fits(run, filters)]

    def _page(self, project: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        begin, size = int(asked.get("after") or 0), asked.get("first") or 50
        wanted = self._wanted(project, asked)
        edges = [
            {"node": self._described(project, run.name), "cursor": str(begin + place + 1)}
            for place, run in enumerate(wanted[begin : begin + size])
        ]
        return {
            "edges": edges,
            "pageInfo": {"endCursor": str(begin + len(edges)), "hasNextPage": begin + len(edges) < len(wanted)},
        }

    def _described(self, project: str, name: str | None) -> dict[str, Any] | None:
        run = self.runs.get((project, str(name)))
        if run is None:
            return None
        times = {"createdAt": "2026-01-01T00:00:00Z", "heartbeatAt": "2026-01-01T00:00:00Z"}
        return {
            "id": f"run-{run.name}",
            "name": run.name,
            "projectId": "1",
            "state": run.state,
            "user": {"name": ENTITY, "username": ENTITY},
            "historyLineCount": len(run.history),
            "logLineCount": len(run.output),
            "eventsLineCount": 0,
            "historyTail": json.dumps(run.history[-1:]),
            "eventsTail": "[]",
            "historyKeys": {"lastStep": run.rows[-1]["_step"] if run.history else -1, "keys": {}},
            "summaryMetrics": json.dumps(run.summary),
            "history": lambda asked: _between(run, asked),
            "files": lambda asked: _files(run, asked, self.url),
            "wandbConfig": json.dumps({"t": 1}),
            "readOnly": False,
            **times,
            **run.fields,
        }

    def _upsert(self, given: Mapping[str, Any]) -> dict[str, Any]:
        said = given["input"]
        project = said.get("modelName") or "uncategorized"
        name = said.get("name") or str(said.get("id")).removeprefix("run-")
        is_new = (project, name) not in self.runs
        run = self.runs.setdefault((project, name), KeptRun(name, project))
        names = {"groupName": "group", "jobType": "jobType", "displayName": "displayName", "notes": "notes"}
        names |= {"tags": "tags", "config": "config", "commit": "commit", "description": "description"}
        run.fields |= {names[key]: value for key, value in said.items() if key in names and value is not None}
        run.state = RUNNING
        bucket = {**(self._described(project, name) or {}), "project": self._project({"name": project})}
        return {"bucket": bucket, "inserted": is_new}

    def _create_files(self, given: Mapping[str, Any]) -> dict[str, Any]:
        said = given["input"]
        place = f"{self.url}/upload/{said['projectName']}/{said['runName']}"
        files = [{"name": name, "uploadUrl": f"{place}/{name}"} for name in said["files"]]
        return {"runID": "1", "uploadHeaders": [], "files": files}

    def stream(self, project: str, name: str, said: Mapping[str, Any]) -> None:
        """One call of the file stream: each file's lines go to where its `offset` says, as W&B keeps them."""
        run = self.runs[project, name]
        for file, chunk in (said.get("files") or {}).items():
            kept = {"wandb-history.jsonl": run.history, "output.log": run.output}.get(file, [])
            kept[chunk["offset"] :] = chunk["content"]
            if file == "wandb-summary.json":
                run.summary = json.loads(chunk["content"][-1])
        if said.get("complete"):
            run.state = FAILED if said.get("exitcode") else FINISHED


def _without_empty(config: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: _without_empty(value) if isinstance(value, Mapping) else value for key, value in config.items()}
    return {key: value for key, value in kept.items() if value != {}}


def _fits(run: KeptRun, filters: Mapping[str, Any]) -> bool:
    """MongoDB's way to ask, as far as the service uses it."""
    said = {
        "group": run.fields.get("group"),
        "jobType": run.fields.get("jobType"),
        "state": run.state,
        "name": run.name,
        "tags": run.fields.get("tags", []),
    }
    return all(_matches(key, wanted, run, said) for key, wanted in filters.items())


def _matches(key: str, wanted: Any, run: KeptRun, said: Mapping[str, Any]) -> bool:
    if key == "$and":
        return all(_fits(run, each) for each in wanted)
    if key == "$or":
        return any(_fits(run, each) for each in wanted)
    found = said[key]
    if not isinstance(wanted, dict):
        return found == wanted
    held = found if isinstance(found, list) else [found]
    operations: dict[str, Callable[[Any], bool]] = {
        "$in": lambda choices: any(each in choices for each in held),
        "$all": lambda choices: all(each in held for each in choices),
    }
    return all(operations[name](choices) for name, choices in wanted.items())


def _between(run: KeptRun, asked: Mapping[str, Any]) -> list[str]:
    first, last = asked.get("minStep", 0), asked.get("maxStep", float("inf"))
    return [line for line in run.history if first <= json.loads(line)["_step"] < last]


def _files(run: KeptRun, asked: Mapping[str, Any], url: str) -> dict[str, Any]:
    wanted = asked.get("names") or list(run.files)
    nodes = [
        {
            "id": f"file-{name}",
            "name": name,
            "sizeBytes": len(run.files[name]),
            "directUrl": f"{url}/upload/{run.project}/{run.name}/{name}",
            "url": f"{url}/upload/{run.project}/{run.name}/{name}",
            "mimetype": "text/plain",
        }
        for name in wanted
        if name in run.files
    ]
    edges = [{"node": node, "cursor": str(place)} for place, node in enumerate(nodes)]
    return {"edges": edges, "pageInfo": {"endCursor": None, "hasNextPage": False}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: WandbServer

    def handle(self) -> None:
        """One connection, which a client that was ended does not close in order."""
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        """GraphQL or the file stream."""
        body = self._body()
        if self.state.silent:
            self.state.released.wait(60)
        if not self._known():
            self._say(401, {"errors": [{"message": "user is not logged in"}]})
        elif self.path == "/graphql":
            said = json.loads(body)
            self._say(200, {"data": self.state.answer(said["query"], said.get("variables") or {})})
        elif found := re.fullmatch(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream", self.path):
            self._stream(unquote(found[2]), unquote(found[3]), json.loads(body))
        else:
            self._say(404, {"error": self.path})

    def _stream(self, project: str, name: str, said: Mapping[str, Any]) -> None:
        lines = (said.get("files") or {}).get("wandb-history.jsonl", {"content": []})["content"]
        if lines and self.state.rows_until_broken is not None:
            self.state.runs[project, name].history[:] = lines[: self.state.rows_until_broken]
            self._say(500, {"error": "broken"})
            return
        self.state.stream(project, name, said)
        self._say(200, {"exitcode": None, "limits": {}})

    def do_PUT(self) -> None:
        """A file of a run or of an artifact."""
        if self.path.startswith("/artifacts/"):
            self.state.artifacts.files[unquote(self.path.removeprefix("/artifacts/"))] = self._body()
            self._say(200, {})
            return
        _, _, project, name, file = self.path.split("/", 4)
        self.state.runs[unquote(project), unquote(name)].files[unquote(file)] = self._body()
        self._say(200, {})

    def do_GET(self) -> None:
        """A file of a run, or that the server is there."""
        if not self.path.startswith("/upload/"):
            self._say(200, {})
            return
        _, _, project, name, file = self.path.split("/", 4)
        self._answer(200, self.state.runs[unquote(project), unquote(name)].files[unquote(file)])

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _known(self) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Basic ")
        return b64decode(given).decode().partition(":")[2] == KEY

    def _say(self, status: int, answer: Any) -> None:
        self._answer(status, json.dumps(answer).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@contextmanager
def serving() -> Iterator[WandbServer]:
    """A server of its own on a free port of loopback, until the block ends."""
    state = WandbServer()
    handler = type("Handler", (_Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
