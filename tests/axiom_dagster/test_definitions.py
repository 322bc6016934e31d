"""The definitions hold what they promise, load fast and alone, and satisfy Dagster's own commands."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from axiom_dagster.definitions import defs

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "gymnasium", "mettagrid", "wandb", "sky", "matplotlib", "numpy", "scipy", "jinja2"}


def test_every_asset_says_who_owns_it_what_it_is_and_how_it_is_configured() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert (node.group_name, node.owners) == ("experiment", ["team:rl-research"])
        assert 1 <= len(node.kinds) <= 3
        assert node.code_version
        assert "config" in (node.description or "")
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == {"train", "evaluate", "analyze", "compare"}


def test_a_comparison_is_no_part_of_a_run() -> None:
    selected = defs.resolve_job_def("train_and_eval").asset_layer.selected_asset_keys
    assert {key.to_user_string() for key in selected} == {"train", "evaluate", "analyze"}


def test_every_check_stops_what_comes_after() -> None:
    specs = [spec for checks in defs.asset_checks or [] for spec in checks.check_specs]
    assert len(specs) == 7
    assert all(spec.blocking for spec in specs)


def test_a_training_takes_a_place_in_its_pool_and_nothing_else_does() -> None:
    pools = {asset.key.to_user_string(): asset.op.pool for asset in defs.assets or []}
    assert pools == {"train": "training", "evaluate": None, "analyze": None, "compare": None}


def test_an_analysis_becomes_stale_and_then_overdue() -> None:
    policy = defs.resolve_asset_graph().get(dg.AssetKey("analyze")).freshness_policy
    assert (policy.warn_window.to_timedelta().days, policy.fail_window.to_timedelta().days) == (2, 7)


def test_the_nightly_schedule_runs_the_main_job_and_waits_to_be_started() -> None:
    schedule = defs.resolve_schedule_def("nightly_train_and_eval")
    assert (schedule.cron_schedule, schedule.job_name) == ("0 2 * * *", "train_and_eval")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    with dg.build_schedule_context() as context:
        (request,) = schedule.evaluate_tick(context).run_requests or []
    assert dg.validate_run_config(defs.resolve_job_def("train_and_eval"), request.run_config)


def test_steps_run_in_one_process() -> None:
    assert defs.resolve_job_def("train_and_eval").executor_def.name == "in_process"


def test_an_override_of_a_resource_that_is_not_exposed_is_refused() -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match="backward"):
        dg.validate_run_config(defs.resolve_job_def("train_and_eval"), {"resources": {"backward": {}}})


def test_definitions_load_no_engine() -> None:
    program = f"import sys, axiom_dagster.definitions; print(sorted({HEAVY!r} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    "command",
    [
        ["dagster", "definitions", "validate", "-m", "axiom_dagster.definitions"],
        ["dg", "check", "defs"],
    ],
    ids=["dagster", "dg"],
)
def test_dagsters_own_commands_accept_the_project(command: list[str], home: Path) -> None:
    program = Path(sys.executable).with_name(command[0])
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    ended = subprocess.run(
        [str(program), *command[1:]], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
