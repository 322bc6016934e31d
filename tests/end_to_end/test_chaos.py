"""Twenty times a process of the system is killed; the run ends as one that nobody has touched, and only once."""

import json
import logging
import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from resources.home import DAGSTER_YAML, dagster_instance
from tests.held.held import updates_of

ROOT = Path(__file__).parents[2]
KILLS, SEED = 20, 3
# How the command lines of this home's processes tell what they are.
KINDS = {
    "run worker": "multiprocessing.spawn",
    "trainer": "-m trainer",
    "code server": "api grpc",
    "daemon": "dagster-daemon",
    "webserver": "dagster-webserver",
}
PATIENCE = 240
CLOCKED = ("seconds", "charts/SPS")

logger = logging.getLogger(__name__)


class Service:
    """A process that is started again whenever it has ended, as a supervisor of services would."""

    def __init__(self, home: Any, log: Path, *words: str) -> None:
        self.home, self.log, self.words = home, log, words
        self.process: subprocess.Popen[str] | None = None

    def keep_up(self) -> None:
        """Start it where it does not run."""
        if self.process is None or self.process.poll() is not None:
            with self.log.open("a") as log:
                outputs = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
                self.process = self.home.start(*self.words, cwd=self.home.path, start_new_session=True, **outputs)

    def stop(self) -> None:
        """End it for good."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


class System:
    """Code server, daemon and webserver of a home, each a process of its own, and the runs that they work on."""

    def __init__(self, home: Any, web: Any, code_port: int, instance: dg.DagsterInstance) -> None:
        self.home, self.web, self.code_port, self.instance = home, web, code_port, instance
        workspace = {"host": "127.0.0.1", "port": code_port, "location_name": "axiom_dagster.definitions"}
        (home.path / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"grpc_server": workspace}]}))
        where = ("-h", "127.0.0.1", "-p")
        definitions = ("-m", "axiom_dagster.definitions", "-d", str(ROOT))
        commands = {
            "code": ("dagster", "api", "grpc", *where, str(code_port), *definitions),
            "daemon": ("dagster-daemon", "run", "-w", "workspace.yaml"),
            "web": ("dagster-webserver", *where, web.url.rpartition(":")[2], "-w", "workspace.yaml"),
        }
        self.services = [Service(home, home.path / f"{name}.log", *words) for name, words in commands.items()]

    def supervised(self, condition: Callable[[], Any]) -> Callable[[], Any]:
        """The same condition; whenever it is looked at, services that have ended are started again."""

        def look() -> Any:
            for service in self.services:
                service.keep_up()
            return condition()

        return look

    def is_up(self) -> bool:
        """Whether both servers answer."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.code_port)) == 0 and self.web.answers()

    def alive(self, kind: str) -> list[int]:
        """The processes of this home that are of the kind."""
        return [pid for pid, words in self.home.processes().items() if KINDS[kind] in words]

    def updates(self, name: str) -> int:
        """The newest update that the training of `name` has finished."""
        files = self.home.path.glob(f"runs/{name}-*/train/metrics.jsonl")
        return max((number for file in files for number in updates_of(file)), default=0)

    def materialized(self) -> list[str]:
        """The assets that runs have materialized, with repetitions."""
        runs = [run.run_id for run in self.instance.get_runs()]
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        events = [event for run_id in runs for event in self.instance.all_logs(run_id, of_type=kind)]
        return sorted(event.get_dagster_event().asset_key.to_user_string() for event in events)

    def succeeded(self) -> int:
        """How many runs have."""
        return self.instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))


@pytest.fixture
def system(home: Any, web_at: Any, free_port: Callable[[], int]) -> Iterator[System]:
    settings = DAGSTER_YAML.format(max_concurrent_runs=1, inbox_runs=1).replace(
        "max_retries: 2", f"max_retries: {2 * KILLS}"
    )
    (home.path / "dagster" / "dagster.yaml").write_text(settings)
    quick = {"DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS": "1"}
    home.environment |= {"PYTHONSAFEPATH": "1", **quick}
    with dagster_instance(home.path) as instance:
        system = System(home, web_at(f"http://127.0.0.1:{free_port()}", home), free_port(), instance)
        try:
            yield system
        finally:
            for service in system.services:
                service.stop()
            for pid in home.processes():
                os.kill(pid, signal.SIGKILL)


def spec(home: Any, name: str) -> dict[str, Any]:
    """A training of many short updates with a checkpoint after every fourth."""
    return {
        "name": name,
        "trainer": {
            "total_timesteps": 64 * 400,
            "batch_size": 64,
            "minibatch_size": 64,
            "num_envs": 2,
            "curriculum": {"env": {"id": "CartPole-v1"}},
            "simulation": {"num_episodes": 2},
            "checkpoint": {"interval_updates": 4},
        },
        "agent": {"hidden_sizes": [8]},
        "wandb": {"mode": "disabled"},
        "overrides": home.hold.overrides,
    }


def without_clocks(metrics: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in metrics.read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in CLOCKED} for row in rows]


@pytest.mark.slow
def test_whatever_is_killed_the_run_ends_once_and_as_if_nothing_had_been(
    system: System, wait_for: Callable[..., Any]
) -> None:
    home = system.home
    wait_for(system.supervised(system.is_up), seconds=PATIENCE)
    system.web.launch(spec(home, "undisturbed"))
    wait_for(system.supervised(lambda: system.succeeded() == 1), seconds=PATIENCE)

    home.hold.at({"killed-*": 0})
    chance, plan = random.Random(SEED), list(KINDS) * (KILLS // len(KINDS))
    chance.shuffle(plan)
    system.web.launch(spec(home, "killed"), compute={"config": {"backend": {"local": {"max_restarts": KILLS}}}})
    for kind in plan:
        further = system.updates("killed") + chance.randint(1, 3)
        home.hold.at({"killed-*": further})
        ready = system.supervised(lambda further=further: system.updates("killed") >= further and system.is_up())
        wait_for(ready, seconds=PATIENCE)
        pid = chance.choice(wait_for(system.supervised(lambda kind=kind: system.alive(kind))))
        os.kill(pid, signal.SIGKILL)
        logger.warning("killed the %s %s after update %s", kind, pid, system.updates("killed"))
    assert system.succeeded() == 1, "the training ended before the last kill"
    home.hold.release()

    wait_for(system.supervised(lambda: system.succeeded() == 2), seconds=PATIENCE)
    assert system.materialized() == sorted(["train", "evaluate", "analyze"] * 2)
    wait_for(system.supervised(lambda: not system.alive("trainer") and not system.alive("run worker")))
    assert json.loads(home.run("axiom", "reconcile", "--dry-run", "--json").stdout)["findings"] == []
    for stage in ("train", "evaluate", "analyze"):
        (whole,), (killed,) = (home.manifests(name, stage) for name in ("undisturbed", "killed"))
        assert killed["weights_digest"] == whole["weights_digest"]
        assert killed["eval_results"] == whole["eval_results"]
    (whole,), (killed,) = (home.path.glob(f"runs/{name}-*/train/metrics.jsonl") for name in ("undisturbed", "killed"))
    assert without_clocks(killed) == without_clocks(whole)
