"""The deployment of docs/deploy.md on this machine: its files as the page has them, its services without systemd."""

import configparser
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from resources.home import prepare_home
from tests.end_to_end.conftest import Home, free_port
from tests.end_to_end.postgres_server import HOST, PostgresServer

PAGE = (Path(__file__).parents[2] / "docs/deploy.md").read_text()
PAGES_PROGRAMS = "/opt/axiom/.venv/bin"
UNITS = "/etc/systemd/system"


def block(first_line: str) -> str:
    """The page's block whose first line begins so, without that line."""
    bodies = re.findall(rf"^```\w+\n(?:#|--) {re.escape(first_line)}[^\n]*\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert len(bodies) == 1, f"docs/deploy.md has {len(bodies)} blocks {first_line!r}"
    return bodies[0]


def variables(text: str) -> dict[str, str]:
    """The lines of an environment file."""
    return dict(line.split("=", 1) for line in text.splitlines() if line)


def make_database(server: PostgresServer, password: str) -> None:
    """Do what the page tells PostgreSQL's administrator to do."""
    server.psql("--set", f"password={password}", text=block("database.sql"))


def write_settings(home: Home, server: PostgresServer, password: str) -> None:
    """Give the home the page's environment and, in its `dagster.yaml`, the page's storage and limits."""
    home.environment |= variables(block("/etc/axiom/environment").replace("/srv/axiom", str(home.path)))
    home.environment |= {"AXIOM_PG_HOST": HOST, "AXIOM_PG_PORT": str(server.port), "AXIOM_PG_PASSWORD": password}
    file = prepare_home(home.path) / "dagster/dagster.yaml"
    own, pages = yaml.safe_load(file.read_text()), yaml.safe_load(block("/srv/axiom/dagster/dagster.yaml"))
    file.write_text(yaml.safe_dump(own | pages))


def run_lines(home: Home, name: str) -> subprocess.CompletedProcess[str]:
    """Run one of the page's shell blocks in the home's folder."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = home.environment | {"PATH": path}
    return subprocess.run(
        ["bash", "-euc", block(name)], cwd=home.path, env=environment, capture_output=True, text=True, check=False
    )


class Deployment:
    """The page's services, each in a process group of its own."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.workspace: dict[str, Any] = yaml.safe_load(block("/etc/axiom/workspace.yaml"))
        self.web_port = free_port()
        self._processes: list[subprocess.Popen[str]] = []

    @property
    def machines(self) -> dict[str, dict[str, Any]]:
        """The code servers, by location."""
        return {entry["grpc_server"]["location_name"]: entry["grpc_server"] for entry in self.workspace["load_from"]}

    @contextmanager
    def running(self) -> Iterator[None]:
        """All services, for as long as the block runs."""
        with ExitStack() as stack:
            for name, server in self.machines.items():
                server |= {"host": HOST, "port": free_port()}
                own = variables(block(f"/etc/axiom/machine: on {name}"))
                words = {"4266": str(server["port"]), "%H": HOST, "${AXIOM_DEFINITIONS}": own["AXIOM_DEFINITIONS"]}
                stack.enter_context(self._service("axiom-code", words, name))
            workspace = self.home.path / "workspace.yaml"
            workspace.write_text(yaml.safe_dump(self.workspace))
            words = {"3000": str(self.web_port), "/etc/axiom/workspace.yaml": str(workspace)}
            for unit in ("axiom-webserver", "axiom-daemon"):
                stack.enter_context(self._service(unit, words, unit))
            yield

    @contextmanager
    def _service(self, unit: str, words: dict[str, str], name: str) -> Iterator[None]:
        command = [words.get(word, word) for word in exec_start(unit)]
        with (self.home.path / f"{name}.log").open("w") as log:
            process = self.home.start(*command, stdout=log, stderr=log, start_new_session=True)
        self._processes.append(process)
        try:
            yield
        finally:
            _stop(process)

    def broken(self) -> bool:
        """Whether one of the services has ended."""
        return any(process.poll() is not None for process in self._processes)

    def logs(self) -> str:
        """What the services have written."""
        return "\n".join(f"== {file.name}\n{file.read_text()}" for file in self.home.path.glob("*.log"))


def exec_start(unit: str) -> list[str]:
    """The command of a unit, its program by name."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(block(f"{UNITS}/{unit}.service"))
    program, *words = shlex.split(parser["Service"]["ExecStart"])
    assert Path(program).parent == Path(PAGES_PROGRAMS)
    return [Path(program).name, *words]


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=120)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
