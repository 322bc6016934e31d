"""Where all local state lies: run directories, the inbox, the Dagster instance; never the runs themselves."""

import fcntl
import os
import re
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from trainer.contract import Refused, write_text

EXPERIMENTS_LOCATION = "axiom_dagster.experiments_location"
SETTINGS, PREPARED = "dagster.yaml", ".prepared"
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
    # Of queued runs with a tag, no more than `limit` at once. Only tags count that a run has when it is queued: its
    # launcher's (`axiom/inbox` is the inbox's; in the Launchpad: Edit tags). Runs that are under way count with all
    # their tags, `axiom/compute` among them.
    tag_concurrency_limits:
      # A hundred files in the inbox leave room for what someone launches by hand.
      - {{key: axiom/inbox, limit: {inbox_runs}}}
      # Rented trainings cost money while they run, and this machine only waits for them.
      - {{key: axiom/compute, value: skypilot, limit: 8}}
  pools:
    # Runs that train are in the pool `training`, wherever they compute. By this default it holds as many as may run at
    # all, so training on the CPU is not throttled. With one GPU: `dagster instance concurrency set training 1`.
    default_limit: {max_concurrent_runs}
    # Counted by runs when they leave the queue: a worker that is killed leaves no place taken.
    granularity: run
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
    """Make what is missing of the home: its folders, `dagster/dagster.yaml`, the tables of Dagster's records.

    Two processes that create the tables at once disturb each other, in Dagster's own commands too. So they are created
    here, by one process, once; `.prepared` holds a line when they are there. Returns the home; raises `Refused` if the
    records cannot be opened.
    """
    home = home or axiom_home()
    for folder in ("runs", "inbox", "dagster"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    settings, prepared = home / "dagster" / SETTINGS, home / "dagster" / PREPARED
    if not (settings.exists() and _is_prepared(prepared)):
        with prepared.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not settings.exists():
                _write_settings(settings)
            if not _is_prepared(prepared):
                _open_instance(settings).dispose()
                lock.write("The tables of Dagster's records were created.\n")
    return home


def _is_prepared(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def _write_settings(settings: Path) -> None:
    most = os.cpu_count() or 1
    write_text(settings, DAGSTER_YAML.format(max_concurrent_runs=most, inbox_runs=max(1, most - 1)))


def experiments_location() -> str:
    """The code location whose job runs experiments of many runs: `AXIOM_LOCATION`, else that of `axiom ui`."""
    return os.environ.get("AXIOM_LOCATION") or EXPERIMENTS_LOCATION


def home_environment(home: Path | None = None) -> Mapping[str, str]:
    """The variables that make any Dagster process use this home; for `axiom ui` and other child processes."""
    home = home or axiom_home()
    return {"AXIOM_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}


def dagster_instance(home: Path | None = None) -> dg.DagsterInstance:
    """The persistent Dagster instance of the home, made ready if need be; raises `Refused` if it cannot be opened."""
    return _open_instance(prepare_home(home) / "dagster" / SETTINGS)


def _open_instance(settings: Path) -> dg.DagsterInstance:
    try:
        return dg.DagsterInstance.from_config(str(settings.parent))
    except Exception as error:
        hint = "every run is recorded there: mend dagster.yaml, its variables or its database (docs/deploy.md)"
        why = f"cannot be opened: {_words_of(error)}; {hint}"
        raise Refused.one("dagster.yaml", str(settings), why) from error


def _words_of(error: Exception) -> str:
    """What is wrong, without the stack trace that Dagster adds and the address that SQLAlchemy adds."""
    config = isinstance(error, dg.DagsterInvalidConfigError)
    words = error.errors[0].message if config else str(error.__cause__ or error)
    return " ".join(re.split(r"Stack Trace|\(Background", words)[0].split())
