"""Failed runs whose retry Dagster has missed: found and reported once more, unless somebody has gone on with them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from axiom_dagster.lost_retries import MOST_REPORTS, lost_retries
from resources.home import dagster_instance
from resources.manifest_store import INSTANCE_NAME_TAG

AT_ONCE = timedelta(seconds=0)
LOCATION = GrpcServerCodeLocationOrigin(host="127.0.0.1", port=4266)
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(LOCATION, "__repository__"), "train_and_eval")
FAILED = dg.DagsterEventType.RUN_FAILURE


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dagster_instance(tmp_path) as instance:
        yield instance


def run_of(instance: dg.DagsterInstance, name: str = "killed-1", origin: RemoteJobOrigin | None = ORIGIN) -> str:
    """A run that has begun."""
    status, tags = dg.DagsterRunStatus.STARTED, {INSTANCE_NAME_TAG: name}
    run = dg.DagsterRun("train_and_eval", status=status, tags=tags, remote_job_origin=origin)
    return instance.add_run(run).run_id


def fail(instance: dg.DagsterInstance, run_id: str) -> None:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_run_failed(run)


def found(instance: dg.DagsterInstance) -> list[str | None]:
    return [finding.run_id for finding, _ in lost_retries(instance, AT_ONCE)]


def test_a_failure_that_nobody_took_up_is_reported_again_but_not_for_ever(instance: dg.DagsterInstance) -> None:
    run_id = run_of(instance)
    assert found(instance) == [], "it has not failed"
    fail(instance, run_id)
    assert list(lost_retries(instance)) == [], "the daemon has had no time yet"
    for reports in range(1, MOST_REPORTS):
        assert len(instance.all_logs(run_id, of_type=FAILED)) == reports
        ((finding, mend),) = lost_retries(instance, AT_ONCE)
        assert (finding.kind, finding.instance_name, finding.run_id) == ("lost retry", "killed-1", run_id)
        mend()
    assert found(instance) == []


def test_a_run_that_was_retried_is_left_alone(instance: dg.DagsterInstance) -> None:
    run_id = run_of(instance)
    fail(instance, run_id)
    instance.add_run_tags(run_id, {"dagster/auto_retry_run_id": "another"})
    assert found(instance) == []


def test_a_run_with_which_somebody_has_gone_on_is_left_alone(instance: dg.DagsterInstance) -> None:
    first, other = run_of(instance), run_of(instance, "killed-2")
    fail(instance, first)
    fail(instance, other)
    run_of(instance)
    assert found(instance) == [other]


def test_a_run_that_dagster_cannot_retry_is_left_alone(instance: dg.DagsterInstance) -> None:
    fail(instance, run_of(instance, origin=None))
    assert found(instance) == []
