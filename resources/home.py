"""Where all local state lies: run directories, the inbox, the Dagster instance; never the runs themselves."""

import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from trainer.contract import write_text

DAGSTER_YAML = """\
# Written once by axiom_dagster and never overwritten: edit it freely.
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    # Each run trains in a process of its own; more runs than this wait in the queue.
    max_concurrent_runs: {max_concurrent_runs}
run_retries:
  # A run whose worker crashed is tried again; a stage that failed would only fail again.
  enabled: true
  max_retries: 2
  retry_on_asset_or_op_failure: false
run_monitoring:
  enabled: true
  start_timeout_seconds: 300
  cancel_timeout_seconds: 120
retention:
  schedule:
    purge_after_days: {{skipped: 7, failure: 30, success: 90, started: 30}}
  sensor:
    purge_after_days: {{skipped: 2, failure: 30, success: 90, started: 30}}
"""


def axiom_home() -> Path:
    """`AXIOM_HOME`, else `.axiom` of the working directory; absolute, not necessarily there yet."""
    return Path(os.environ.get("AXIOM_HOME") or ".axiom").expanduser().absolute()


def prepare_home(home: Path | None = None) -> Path:
    """Make the home's folders and its `dagster/dagster.yaml` where they are missing; returns the home."""
    home = home or axiom_home()
    for folder in ("runs", "inbox", "dagster"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    settings = home / "dagster" / "dagster.yaml"
    if not settings.exists():
        write_text(settings, DAGSTER_YAML.format(max_concurrent_runs=os.cpu_count() or 1))
    return home


def home_environment(home: Path | None = None) -> Mapping[str, str]:
    """The variables that make any Dagster process use this home; for `axiom ui` and other child processes."""
    home = home or axiom_home()
    return {"AXIOM_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}


def dagster_instance(home: Path | None = None) -> dg.DagsterInstance:
    """The persistent Dagster instance of the home, made ready if need be."""
    return dg.DagsterInstance.from_config(str(prepare_home(home) / "dagster"))
