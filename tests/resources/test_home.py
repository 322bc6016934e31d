"""The home is where the environment says, and its Dagster settings are ones that Dagster accepts."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.instance.config import PoolGranularity
from dagster._core.run_coordinator import QueuedRunCoordinator

from resources.home import axiom_home, dagster_instance, home_environment, prepare_home
from trainer.contract import Refused


def test_the_home_is_what_the_environment_says_else_the_working_directorys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AXIOM_HOME", raising=False)
    assert axiom_home() == tmp_path / ".axiom"
    monkeypatch.setenv("AXIOM_HOME", "elsewhere")
    assert axiom_home() == tmp_path / "elsewhere"


def test_dagster_accepts_every_setting_and_follows_them(tmp_path: Path) -> None:
    with dagster_instance(tmp_path) as instance:
        assert isinstance(instance.run_coordinator, QueuedRunCoordinator)
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs > 0
        assert (instance.run_retries_enabled, instance.run_retries_max_retries) == (True, 2)
        assert instance.run_retries_retry_on_asset_or_op_failure is False
        assert instance.telemetry_enabled is False
        assert instance.run_monitoring_enabled
        assert instance.is_persistent


def test_queued_runs_are_limited_by_tags_and_trainings_by_their_pool(tmp_path: Path) -> None:
    with dagster_instance(tmp_path) as instance:
        limits = instance.get_concurrency_config()
    queue, pools = limits.run_queue_config, limits.pool_config
    most = queue.max_concurrent_runs
    assert list(queue.tag_concurrency_limits) == [
        {"key": "axiom/inbox", "limit": max(1, most - 1)},
        {"key": "axiom/compute", "value": "skypilot", "limit": 8},
    ]
    # As many trainings as runs: on the CPU the pool holds nobody back. By runs: a killed worker leaves no place taken.
    assert (pools.default_pool_limit, pools.pool_granularity) == (most, PoolGranularity.RUN)


def test_a_misspelt_setting_is_refused_by_dagster_itself(tmp_path: Path) -> None:
    settings = prepare_home(tmp_path) / "dagster" / "dagster.yaml"
    settings.write_text(settings.read_text() + "run_retrys: {enabled: true}\n")
    with pytest.raises(dg.DagsterInvalidConfigError, match="run_retrys"):
        dg.DagsterInstance.from_config(str(settings.parent))


def test_settings_that_someone_edited_are_left_alone(tmp_path: Path) -> None:
    settings = prepare_home(tmp_path) / "dagster" / "dagster.yaml"
    settings.write_text("telemetry: {enabled: true}\n")
    prepare_home(tmp_path)
    assert yaml.safe_load(settings.read_text()) == {"telemetry": {"enabled": True}}


OPEN_AT_ONCE = """
import sys
import dagster as dg
from resources.home import dagster_instance
print("ready", flush=True)
sys.stdin.readline()
{}.dispose()
"""
OURS, DAGSTERS = "dagster_instance()", "dg.DagsterInstance.get()"


def opened_at_once(home: Path, *doors: str) -> list[str]:
    """What processes had to say that opened the home's records at the same moment, each through its door."""
    environment = {**os.environ, **home_environment(home)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AT_ONCE.format(door)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for door in doors
    ]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    words = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(doors), "".join(words)
    return words


def require_newest_tables(home: Path) -> None:
    """Two that create them at once can also leave tables behind that say to be older than they are."""
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
            there, newest = storage.alembic_version()
            assert there == newest


@pytest.mark.parametrize(
    "settings", [None, "telemetry: {enabled: false}\n"], ids=["a new home", "settings brought along"]
)
def test_first_commands_of_ours_that_begin_at_once_all_find_the_records(tmp_path: Path, settings: str | None) -> None:
    (tmp_path / "dagster").mkdir()
    if settings:
        (tmp_path / "dagster" / "dagster.yaml").write_text(settings)
    opened_at_once(tmp_path, *[OURS] * 4)
    require_newest_tables(tmp_path)


def test_dagsters_own_commands_that_begin_at_once_all_find_the_records_of_a_prepared_home(tmp_path: Path) -> None:
    prepare_home(tmp_path)
    for words in opened_at_once(tmp_path, *[DAGSTERS] * 3, OURS):
        assert "No dagster instance configuration file" not in words
    require_newest_tables(tmp_path)


def test_a_home_whose_preparation_was_cut_off_is_prepared_by_the_next_command(tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    settings, marker = tmp_path / "dagster" / "dagster.yaml", tmp_path / "dagster" / ".prepared"
    settings.write_text("telemetry: {enabled: false}\nrun_retrys: {enabled: true}\n")
    with pytest.raises(Refused, match="run_retrys"):
        prepare_home(tmp_path)
    assert marker.read_text() == ""
    settings.write_text("telemetry: {enabled: false}\n")
    prepare_home(tmp_path)
    assert marker.read_text() != ""
    opened_at_once(tmp_path, *[DAGSTERS] * 2)


def test_a_home_that_is_prepared_is_told_of_without_opening_its_records(tmp_path: Path) -> None:
    settings = prepare_home(tmp_path) / "dagster" / "dagster.yaml"
    settings.write_text("no settings of Dagster's: at all\n")
    assert prepare_home(tmp_path) == tmp_path


def test_child_processes_are_told_both_homes(tmp_path: Path) -> None:
    assert home_environment(tmp_path) == {"AXIOM_HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path / "dagster")}


STORAGE = """
storage:
  postgres:
    postgres_db: {scheme: postgresql+psycopg2, hostname: 127.0.0.1, port: 9, db_name: axiom, username: axiom,
      password: {env: AXIOM_PG_PASSWORD}}
"""


@pytest.mark.parametrize(
    ("password", "why"),
    [(None, r"AXIOM_PG_PASSWORD.* which is not set"), ("secret-word", r"port 9 failed: Connection refused")],
    ids=["no password", "no server"],
)
def test_records_that_cannot_be_opened_are_refused_with_the_reason_and_never_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str | None, why: str
) -> None:
    monkeypatch.delenv("AXIOM_PG_PASSWORD", raising=False)
    if password is not None:
        monkeypatch.setenv("AXIOM_PG_PASSWORD", password)
    settings = prepare_home(tmp_path) / "dagster" / "dagster.yaml"
    settings.write_text(settings.read_text() + STORAGE)
    with pytest.raises(Refused, match=why) as refused:
        dagster_instance(tmp_path)
    assert refused.value.problems[0].value == str(settings)
    assert "docs/deploy.md" in str(refused.value)
    assert "secret-word" not in str(refused.value)
