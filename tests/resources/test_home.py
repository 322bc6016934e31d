"""The home is where the environment says, and its Dagster settings are ones that Dagster accepts."""

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
