"""A shared deployment on PostgreSQL, as docs/deploy.md has it: runs of two code servers at once, never mixed up."""

import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import pytest
from dagster._core.events import EngineEventData

from axiom_dagster.reconcile import reconcile
from resources.home import dagster_instance
from tests.end_to_end.conftest import ROOT, Home, Web, free_port, tiny_config, wait_for
from tests.end_to_end.deployment import Deployment, make_database, run_lines, write_settings
from tests.end_to_end.postgres_server import PostgresServer, initialized, programs, stop
from trainer.contract import Manifest, read_manifest

PASSWORD = "it's %40/@:$HOME"
CARTPOLE = {"curriculum": {"env": {"id": "CartPole-v1"}}, "total_timesteps": 1024, "minibatch_size": 256}
ELSEWHERE = [*("unshare", "--uts", "--pid", "--fork", "--mount-proc"), "sh", "-c"]
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
STAGES = ("train", "evaluate", "analyze")
RUNS = """
{ runsOrError { ... on Runs { results { runId status startTime endTime tags { key value }
  repositoryOrigin { repositoryLocationName } assetMaterializations { assetKey { path } metadataEntries {
    label ... on PathMetadataEntry { path } ... on TextMetadataEntry { text } ... on JsonMetadataEntry { jsonString }
} } } } } }
"""
LOCATIONS = """
{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError { __typename } } } } }
"""
SEEDS = {f"shared-{number}": 100 + number for number in range(8)}


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """Debian's PostgreSQL; missing it skips the test, and fails it on CI."""
    bin_folder = programs()
    if bin_folder is None:
        assert not os.environ.get("CI"), "PostgreSQL is missing on CI: `make debian-postgres` installs it"
        pytest.skip("PostgreSQL's server is missing: `make debian-postgres` installs it")
    with initialized(free_port(), bin_folder) as server:
        process = server.start()
        try:
            wait_for(lambda: process.poll() is not None or server.answers())
            assert process.poll() is None, (server.folder / "log").read_text()
            make_database(server, PASSWORD)
            yield server
        finally:
            stop(process)


@pytest.fixture(scope="module")
def shared(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose records are in PostgreSQL."""
    home = Home(tmp_path_factory.mktemp("shared") / "home")
    write_settings(home, postgres, PASSWORD)
    return home


def elsewhere(home: Home, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as if on another machine: another host name, and none of this one's processes to be seen."""
    command = shlex.join([str(Path(sys.executable).parent / words[0]), *words[1:]])
    return subprocess.run(
        [*ELSEWHERE, f"hostname elsewhere && {command}"],
        env=home.environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture
def another_machine() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`elsewhere`; skipped, and failed on CI, where this user may make no namespaces."""
    if subprocess.run([*ELSEWHERE, "hostname elsewhere"], capture_output=True, check=False).returncode:
        assert not os.environ.get("CI"), "on CI namespaces must be allowed: run it as root"
        pytest.skip("this user may make no namespaces: run it as root")
    return elsewhere


def findings(done: subprocess.CompletedProcess[str]) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [each["kind"] for each in json.loads(done.stdout.splitlines()[-1])["findings"]]


@pytest.mark.slow
def test_another_machine_never_takes_a_run_for_dead_be_it_alive_or_killed(
    shared: Home, another_machine: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(tiny_config("endless", **CARTPOLE | {"total_timesteps": 10**9})))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with shared.start("axiom", "run", str(spec), **quiet) as process:
        try:
            wait_for(lambda: list(shared.path.glob("runs/endless-*/train/metrics.jsonl")), seconds=240)
            assert findings(another_machine(shared, "axiom", "reconcile", "--json")) == []
            assert process.poll() is None and shared.trainers()
        finally:
            process.kill()
    wait_for(lambda: not shared.trainers(), seconds=120)
    assert findings(another_machine(shared, "axiom", "reconcile", "--json")) == []
    assert findings(shared.run("axiom", "reconcile", "--json")) == ["dead run"]


@dataclass(frozen=True)
class Seen:
    """One of the eight runs: as Dagster tells of it, and as its run directory does."""

    run: dict[str, Any]
    folder: Path

    def manifest(self, stage: str) -> Manifest:
        """The manifest in the run's directory."""
        return read_manifest(self.folder / stage / "manifest.json")

    def recorded(self, stage: str) -> dict[str, Any]:
        """The metadata of the stage's one materialization, by label."""
        (made,) = (each for each in self.run["assetMaterializations"] if each["assetKey"]["path"] == [stage])
        entries = made["metadataEntries"]
        return {each["label"]: each.get("path") or each.get("text") or each.get("jsonString") for each in entries}


def loaded(web: Web, locations: list[str]) -> bool:
    entries = web.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
    good = [entry["name"] for entry in entries if entry["locationOrLoadError"]["__typename"] == "RepositoryLocation"]
    return sorted(good) == sorted(locations)


def launch_all(web: Web, locations: list[str]) -> dict[str, str]:
    """Launch the eight in the same moment, every other one through the same code server; their ids by name."""
    configs = [tiny_config(name, **CARTPOLE) | {"controls": {"seed": seed}} for name, seed in SEEDS.items()]
    with ThreadPoolExecutor(len(configs)) as pool:
        where = [locations[number % len(locations)] for number in range(len(configs))]
        ids = pool.map(lambda config, location: web.launch(config, location=location), configs, where)
        return dict(zip(SEEDS, ids, strict=True))


@contextmanager
def eight_at_once(home: Home) -> Iterator[dict[str, Seen]]:
    """The eight, by name, when all have ended; the deployment that they went through runs until the block ends."""
    deployment = Deployment(home)
    with deployment.running():
        web = Web(f"http://127.0.0.1:{deployment.web_port}", home)
        locations = list(deployment.machines)
        wait_for(lambda: deployment.broken() or (web.answers() and loaded(web, locations)), seconds=240)
        assert not deployment.broken(), deployment.logs()
        ids = launch_all(web, locations)
        wait_for(lambda: all(web.status(run_id) in ENDED for run_id in ids.values()), seconds=600)
        runs = {run["runId"]: run for run in web.ask(RUNS)["runsOrError"]["results"]}
        folders = {name: next(home.path.glob(f"runs/{name}-*"), Path()) for name in SEEDS}
        yield {name: Seen(runs[run_id], folders[name]) for name, run_id in ids.items()}
    assert wait_for(lambda: not home.processes()), home.processes()


@pytest.mark.slow
def test_eight_runs_at_once_through_two_code_servers_all_succeed_and_none_is_mixed_up(
    shared: Home, postgres: PostgresServer
) -> None:
    with eight_at_once(shared) as eight:
        require_all_succeeded_at_once([seen.run for seen in eight.values()])
        for name, seen in eight.items():
            require_its_own_results(name, seen)
        assert len({seen.manifest("train").weights_digest for seen in eight.values()}) == 8
        require_listed_by_the_shell(shared, eight)
    require_no_password(shared)
    require_restorable(shared, postgres)


def require_all_succeeded_at_once(runs: list[dict[str, Any]]) -> None:
    assert [run["status"] for run in runs] == ["SUCCESS"] * 8
    assert max(run["startTime"] for run in runs) < min(run["endTime"] for run in runs), "they were not all under way"
    launched_at = [run["repositoryOrigin"]["repositoryLocationName"] for run in runs]
    assert launched_at == ["train-1", "train-2"] * 4


def require_its_own_results(name: str, seen: Seen) -> None:
    manifests = {stage: seen.manifest(stage) for stage in STAGES}
    for stage, manifest in manifests.items():
        assert (manifest.stage, manifest.instance_name) == (stage, seen.folder.name)
        assert (manifest.spec["name"], manifest.spec["controls"]["seed"]) == (name, SEEDS[name])
        assert manifest.run_id == seen.run["runId"]
        recorded = seen.recorded(stage)
        assert json.loads(recorded["manifest"]) == manifest.plain()
        assert recorded["digest"] == manifest.digest
        assert recorded["manifest_file"] == str(seen.folder / stage / "manifest.json")
    train, evaluate, analyze = manifests.values()
    assert evaluate.parents == {"train": train.digest}
    assert analyze.parents == {"train": train.digest, "evaluate": evaluate.digest}


def require_listed_by_the_shell(home: Home, eight: dict[str, Seen]) -> None:
    done = run_lines(home, "from the shell")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "0 found"
    listed = json.loads(home.run("axiom", "runs", "--status", "succeeded", "--json").stdout.splitlines()[-1])["runs"]
    (own,) = (line for line in listed if line["tag"] == "from_my_shell")
    found = {line["run_id"]: line["instance_name"] for line in listed if line != own}
    assert found == {seen.run["runId"]: seen.folder.name for seen in eight.values()}


def require_no_password(home: Home) -> None:
    files = [file for file in home.path.rglob("*") if file.is_file()]
    assert len(files) > 8 * 10
    forms = {PASSWORD.encode(), json.dumps(PASSWORD).encode(), quote(PASSWORD).encode()}
    assert [str(file) for file in files if any(form in file.read_bytes() for form in forms)] == []


def require_restorable(home: Home, server: PostgresServer) -> None:
    """A backup as the page makes it, restored into an empty database, lists the same runs."""
    before = home.run("axiom", "runs", "--json").stdout
    for name in ("upgrade", "backup"):
        done = run_lines(home, name)
        assert done.returncode == 0, done.stderr
    server.psql("--command", "CREATE DATABASE restored OWNER axiom")
    kept, home.environment = home.environment, home.environment | {"AXIOM_PG_DB": "restored"}
    try:
        done = run_lines(home, "restore")
        assert done.returncode == 0, done.stderr
        assert home.run("axiom", "runs", "--json").stdout == before
    finally:
        home.environment = kept


@dg.op
def nothing() -> None:
    """Nothing."""


@dg.job
def idle() -> None:
    """A job to make runs of."""
    nothing()


def test_which_machine_a_run_without_a_stage_died_on_is_told_by_its_code_servers_host_name(
    shared: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in shared.environment.items():
        monkeypatch.setenv(name, value)
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    with dagster_instance() as instance:
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 8
        own = launched_run(instance, socket.gethostname(), ended.pid)
        others = [launched_run(instance, host, ended.pid) for host in ("localhost", "127.0.0.1", "train-2")]
        found = {finding.run_id for finding in reconcile(instance)}
        assert found & {own, *others} == {own}
        statuses = {instance.get_run_by_id(run_id).status for run_id in others}
        assert statuses == {dg.DagsterRunStatus.STARTED}
        for run_id in (own, *others):
            instance.delete_run(run_id)


def launched_run(instance: dg.DagsterInstance, host: str, pid: int) -> str:
    """A run that a code server at `host` has started as a process, and that has begun no stage."""
    grpc = {".dagster/grpc_info": json.dumps({"host": host, "port": 4266})}
    run = instance.create_run_for_job(idle, status=dg.DagsterRunStatus.STARTED, tags=grpc)
    instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))
    return run.run_id
