"""The home is where the environment says, and its Dagster settings are ones that Dagster accepts."""

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.run_coordinator import QueuedRunCoordinator

from resources.home import axiom_home, dagster_instance, home_environment, prepare_home


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
