"""The code location of experiments of many runs holds the same stages as a matrix, apart from the other one's."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from axiom_dagster.definitions import defs as others
from axiom_dagster.experiments_location import JOB, location
from resources.home import EXPERIMENTS_LOCATION
from resources.matrix import MATRIX

ROOT = Path(__file__).parents[2]
defs = location(Path("nobody"))  # a home without compositions


def test_every_stage_is_a_matrix_with_its_own_key_and_the_pool_of_trainings() -> None:
    graph = defs.resolve_asset_graph()
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert keys == {"variants/train", "variants/evaluate", "variants/analyze"}
    assert all(graph.get(key).partitions_def == MATRIX for key in graph.get_all_asset_keys())
    assert all(graph.get(key).group_name == "variants" for key in graph.get_all_asset_keys())
    assert {asset.key.path[-1]: asset.op.pool for asset in defs.assets or []} == {
        "train": "training", "evaluate": None, "analyze": None,
    }  # fmt: skip


def test_the_other_location_has_no_partitions_so_that_all_of_it_is_materialized_at_once() -> None:
    graph = others.resolve_asset_graph()
    assert all(graph.get(key).partitions_def is None for key in graph.get_all_asset_keys())


def test_every_check_stops_what_comes_after_here_too() -> None:
    specs = [spec for checks in defs.asset_checks or [] for spec in checks.check_specs]
    assert len(specs) == 7 and all(spec.blocking for spec in specs)


def test_the_job_takes_no_config_but_the_resources() -> None:
    job = defs.resolve_job_def(JOB)
    assert (job.executor_def.name, job.partitions_def) == ("in_process", MATRIX)
    assert dg.validate_run_config(job, {})


@pytest.mark.slow
def test_the_location_is_named_as_its_module_and_accepted_by_dagster(home: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    command = [str(Path(sys.executable).with_name("dagster")), "definitions", "validate", "-m", EXPERIMENTS_LOCATION]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
