"""Real homes, real commands, a real webserver and daemon; the experiments are as small as they can be."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from tests.held.held import Hold, updates_of

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
OBJECTS = {"num_mines": 3, "num_generators": 2, "num_altars": 2, "num_lasers": 1, "num_armories": 1}
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""
LOCATION = "axiom_dagster.definitions"
ARENA = {"num_agents": 4, "width": 11, "height": 11, "max_steps": 40, **OBJECTS}


class Home:
    """A home of its own, and commands that use it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hold = Hold(path.with_name(f"{path.name}.hold"))
        own = {"AXIOM_HOME": str(path), "DAGSTER_HOME": str(path / "dagster")}
        self.environment = {**os.environ, **self.hold.environment, **own}
        for folder in ("dagster", "runs", "inbox"):
            (path / folder).mkdir(parents=True)

    def start(self, *words: str, cwd: Path = ROOT, **options: Any) -> subprocess.Popen[str]:
        """Start one of the project's commands."""
        command = [str(BIN / words[0]), *words[1:]]
        return subprocess.Popen(command, cwd=cwd, env=self.environment, text=True, **options)

    @contextmanager
    def started(self, *words: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
        """The same for a block; it is killed at the end of it."""
        with self.start(*words, **options) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, *words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """Run one to its end."""
        command = [str(BIN / words[0]), *words[1:]]
        return subprocess.run(
            command, cwd=cwd, env=self.environment, text=True, capture_output=True, check=False, timeout=120
        )

    def manifests(self, name: str, stage: str = "analyze") -> list[dict[str, Any]]:
        """The manifests of one stage over all runs of the experiment `name`."""
        return [json.loads(file.read_text()) for file in self.path.glob(f"runs/{name}-*/{stage}/manifest.json")]

    def training_at(self, name: str, update: int) -> Path | None:
        """The directory of a run of the experiment whose training has finished this update; none before."""
        files = self.path.glob(f"runs/{name}-*/train/metrics.jsonl")
        return next((file.parents[1] for file in files if max(updates_of(file), default=0) >= update), None)

    def trainers(self) -> list[int]:
        """Processes of trainers that work in this home."""
        return [pid for pid, words in _command_lines() if "--run-dir" in words and str(self.path) in words]

    def processes(self) -> dict[int, str]:
        """Every process that was started with this home, with its command line."""
        return {pid: words for pid, words in _command_lines() if f"AXIOM_HOME={self.path}" in _environment(pid)}


class Web:
    """A webserver and its GraphQL."""

    def __init__(self, url: str, home: Home) -> None:
        self.url, self.home = url, home

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """The data of a GraphQL answer."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        with urlopen(Request(f"{self.url}/graphql", body, {"content-type": "application/json"}), timeout=120) as answer:
            return json.load(answer)["data"]

    def launch(self, config: dict[str, Any], *, location: str = LOCATION, **resources: Any) -> str:
        """Launch a run of the whole job with this config of its training, at a code location; its id."""
        run_config = {"ops": {"train": {"config": config}}, "resources": resources}
        repository = {"repositoryLocationName": location, "repositoryName": "__repository__"}
        params = {"selector": {**repository, "pipelineName": "train_and_eval"}, "runConfigData": run_config}
        return self.ask(LAUNCH, {"params": params})["launchRun"]["run"]["runId"]

    def answers(self) -> bool:
        """Whether it is up."""
        try:
            return bool(self.ask("{ version }"))
        except (URLError, ConnectionError, TimeoutError):
            return False

    def status(self, run_id: str) -> str:
        """The status of a run, as Dagster names it."""
        query = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
        return self.ask(query, {"id": run_id})["runOrError"]["status"]


def _command_lines() -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                yield int(folder.name), (folder / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue


def _environment(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0")
    except OSError:
        return []


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def tiny_config(name: str, **trainer: Any) -> dict[str, Any]:
    """The run config of an experiment that ends in seconds; `trainer` replaces some of it."""
    small = {"total_timesteps": 2048, "batch_size": 512, "minibatch_size": 256, "num_envs": 2}
    env = {"curriculum": {"env": {"id": "arena", "arena": ARENA}}, "simulation": {"num_episodes": 2}}
    return {"name": name, "trainer": {**small, **env, **trainer}, "wandb": {"mode": "disabled"}}


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """What `condition` returns once it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"still not after {seconds} s"
        time.sleep(0.2)
    return found


@pytest.fixture
def tiny() -> Callable[..., dict[str, Any]]:
    return tiny_config


@pytest.fixture(name="wait_for")
def waiting() -> Callable[..., Any]:
    return wait_for


@pytest.fixture(name="free_port")
def a_free_port() -> Callable[[], int]:
    return free_port


@pytest.fixture
def web_at() -> type[Web]:
    return Web


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """`axiom ui` on a free port, started in a folder that is not the project's."""
    folder = tmp_path_factory.mktemp("web")
    home = Home(folder / "home")
    port = free_port()
    web = Web(f"http://127.0.0.1:{port}", home)
    with (folder / "ui.log").open("w") as log:
        process = home.start(
            "axiom", "ui", "--port", str(port), cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(lambda: process.poll() is not None or web.answers())
        assert process.poll() is None, (folder / "ui.log").read_text()
        yield web
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        finally:
            _end_group(process.pid)


def _end_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """Debian's chromium without a screen; missing it skips the test, and fails it on CI."""
    from selenium import webdriver

    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        assert not os.environ.get("CI"), "chromium is missing on CI: `make debian` installs it"
        pytest.skip("chromium and chromedriver are missing: `make debian` installs them")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    flags = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
    for flag in (*flags.split(), "disable-component-update", "disable-sync", "disable-dev-shm-usage"):
        options.add_argument(f"--{flag}")
    options.add_argument("--window-size=1500,1000")
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()
