"""SkyPilot's own statuses, records, listings and errors, as this system reads them."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from resources.skypilot.remote import JobState, RemoteJob
from resources.skypilot.sdk_errors import failure_of, remedy_for
from resources.skypilot.sdk_offers import listed
from resources.skypilot.sdk_records import cluster_job, managed_job, state_of, without_cluster

# In a process of its own: `import sky` warns, and a warning is an error here.
STATUSES = """
import json
from sky.jobs.state import ManagedJobStatus
from sky.skylet.job_lib import JobStatus
print(json.dumps([[status.value, status.is_terminal()] for kind in (ManagedJobStatus, JobStatus) for status in kind]))
"""


@pytest.fixture(scope="module")
def statuses() -> list[tuple[str, bool]]:
    done = subprocess.run([sys.executable, "-P", "-c", STATUSES], capture_output=True, text=True, check=True)
    return [(status, final) for status, final in json.loads(done.stdout.splitlines()[-1])]


def test_every_status_that_skypilot_has_is_known_and_final_where_skypilot_says_so(
    statuses: list[tuple[str, bool]],
) -> None:
    assert len(statuses) > 20
    assert [status for status, _ in statuses if state_of(status) is JobState.UNKNOWN] == []
    assert [status for status, final in statuses if state_of(status).final is not final] == []


def test_a_status_of_a_later_skypilot_is_unknown_and_not_final() -> None:
    assert state_of("HIBERNATING") is JobState.UNKNOWN
    assert state_of(None) is JobState.UNKNOWN
    assert not JobState.UNKNOWN.final


def test_a_managed_record_says_when_it_ran_how_often_it_recovered_and_why_it_failed() -> None:
    record = {
        "job_id": 7,
        "job_name": "axiom-a-train",
        "status": SimpleNamespace(value="FAILED_NO_RESOURCE"),
        "cluster_resources": "-",
        "resources": "1x[H100:1]",
        "submitted_at": 1_000.0,
        "start_at": 1_060.5,
        "end_at": None,
        "recovery_count": 2,
        "failure_reason": None,
    }
    job = managed_job(record, "http://here/dashboard")
    assert (job.state, job.recoveries, job.resources) == (JobState.FAILED, 2, "1x[H100:1]")
    assert job.started_at == datetime.fromtimestamp(1_060.5, UTC) and job.ended_at is None
    assert job.failure == "FAILED_NO_RESOURCE: no infrastructure has the machines that the task asks for"
    assert job.dashboard == "http://here/dashboard/jobs/7"


def test_a_job_whose_cluster_is_gone_has_failed_unless_it_had_ended() -> None:
    record = {"job_id": 1, "job_name": "axiom-a-train", "status": "RUNNING", "resources": "1x", "start_at": -1.0}
    running = cluster_job(record, "axiom-c", "http://here")
    assert running.started_at is None
    lost = without_cluster(running)
    assert lost.state is JobState.FAILED and lost.failure is not None and "axiom-c" in lost.failure
    done = RemoteJob(**{**running.model_dump(), "state": JobState.SUCCEEDED})
    assert without_cluster(done) == done


@pytest.mark.parametrize(
    ("spot", "nodes", "price", "spot_price", "expected"),
    [
        (False, 2, 4.0, 1.0, 8.0),
        (True, 2, 4.0, 1.0, 2.0),
        (False, 1, float("nan"), float("nan"), None),
        (False, 1, 0.0, 0.0, None),
    ],
)
def test_a_listing_costs_its_price_times_the_nodes_and_nothing_is_known_of_a_machine_without_one(
    spot: bool, nodes: int, price: float, spot_price: float, expected: float | None
) -> None:
    row = SimpleNamespace(cloud="AWS", region="us-east-1", instance_type="p5", price=price, spot_price=spot_price)
    offer = listed(row, "H100", 8, nodes, spot=spot)
    assert offer is not None and offer.dollars_per_hour == expected
    assert (offer.infra, offer.nodes) == ("aws/us-east-1", nodes)
    assert offer.resources == ("p5 H100:8 spot" if spot else "p5 H100:8")


def test_a_machine_that_is_not_sold_as_spot_is_no_spot_offer() -> None:
    row = SimpleNamespace(cloud="AWS", region="", instance_type="p5", price=4.0, spot_price=float("nan"))
    assert listed(row, "H100", 8, 1, spot=True) is None


def test_an_error_tells_all_that_was_tried_without_colours_and_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "hush-0123456789")
    error = RuntimeError("\x1b[31mno machine\x1b[0m with hush-0123456789")
    error.failover_history = [ValueError("quota of us-east-1"), ValueError("quota of us-west-2")]  # type: ignore[attr-defined]
    failure = failure_of(error)
    assert failure["kind"] == "RuntimeError"
    assert failure["said"].splitlines()[1:] == ["ValueError: quota of us-east-1", "ValueError: quota of us-west-2"]
    assert failure["said"].startswith("no machine with") and "hush" not in failure["said"]


@pytest.mark.parametrize(
    ("kind", "said", "remedy"),
    [
        ("NoCloudAccessError", "No cloud access.", "sky check"),
        ("ApiServerConnectionError", "Could not connect to SkyPilot API server", "sky api start"),
        ("ResourcesUnavailableError", "Failed to acquire resources in all zones", "sky gpus list"),
        ("ClientError", "The security token included in the request is expired", "Renew the credentials"),
        ("CommandError", "Failed to setup with return code 7", "setup"),
        ("OSError", "Permission denied: '/artifacts'", "may write"),
        ("SomethingElse", "whatever", "sky api status"),
    ],
)
def test_every_error_says_what_to_do(kind: str, said: str, remedy: str) -> None:
    assert remedy in remedy_for(kind, said)
