"""Finds failed runs whose retry Dagster has missed, and reports their failure once more; it retries none itself.

Dagster stores that a run has failed before it marks the run as failed: a daemon that looks in between passes the run
over for good. The same is left behind by a daemon that was killed while it made the retry.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg

from axiom_dagster.finding import Finding, Mended
from resources.manifest_store import INSTANCE_NAME_TAG

WILL_RETRY_TAG, RETRIED_AS_TAG = "dagster/will_retry", "dagster/auto_retry_run_id"
DAEMON = "Dagster's daemon"
OVERDUE = timedelta(seconds=30)
FORGOTTEN = timedelta(days=1)
MOST_REPORTS = 4


def lost_retries(instance: dg.DagsterInstance, overdue: timedelta = OVERDUE) -> Iterator[Mended]:
    """Runs that failed longer ago than `overdue`, were to be retried and were not; no more than a day old."""
    now = datetime.now(UTC)
    failed = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={WILL_RETRY_TAG: "true"},
        updated_before=now - overdue,
        updated_after=now - FORGOTTEN,
    )
    for run in instance.get_runs(filters=failed):
        if RETRIED_AS_TAG in run.tags or run.remote_job_origin is None or not _may_be_retried(instance, run):
            continue
        name = run.tags.get(INSTANCE_NAME_TAG, run.run_id)
        remedy = "its failure is reported once more, so that Dagster retries it"
        finding = Finding("lost retry", name, run.run_id, DAEMON, remedy)
        yield finding, lambda run=run: instance.report_run_failed(run, "failed, was to be retried, and was not")


def _may_be_retried(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether nobody has gone on with the run since, and Dagster has not been asked too often."""
    name = run.tags.get(INSTANCE_NAME_TAG)
    newest = instance.get_runs(filters=dg.RunsFilter(tags={INSTANCE_NAME_TAG: name}), limit=1) if name else [run]
    reports = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    return newest[0].run_id == run.run_id and len(reports) < MOST_REPORTS
