"""A further machine's definitions are those of the first, but for what must happen only once."""

import subprocess
import sys
from pathlib import Path

from axiom_dagster import definitions, further_location

FIRST = definitions.defs.get_repository_def()
FURTHER = further_location.defs.get_repository_def()


def test_a_further_location_has_neither_inbox_nor_schedule() -> None:
    assert {sensor.name for sensor in FIRST.sensor_defs} - {sensor.name for sensor in FURTHER.sensor_defs} == {"inbox"}
    assert FIRST.schedule_defs and not FURTHER.schedule_defs


def test_it_has_the_same_assets_checks_jobs_and_resources() -> None:
    assert FURTHER.asset_graph.get_all_asset_keys() == FIRST.asset_graph.get_all_asset_keys()
    assert FURTHER.asset_graph.asset_check_keys == FIRST.asset_graph.asset_check_keys
    assert {job.name for job in FURTHER.get_all_jobs()} == {job.name for job in FIRST.get_all_jobs()}
    assert FURTHER.get_top_level_resources().keys() == FIRST.get_top_level_resources().keys()


def test_dagster_loads_it() -> None:
    command = [
        Path(sys.executable).with_name("dagster"),
        "definitions",
        "validate",
        "-m",
        "axiom_dagster.further_location",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
