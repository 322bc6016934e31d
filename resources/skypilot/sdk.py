"""Asks SkyPilot's SDK one thing and ends: `python -P -m resources.skypilot.sdk VERB`, JSON in and JSON out.

`import sky` takes two seconds of CPU and 120 MB, so no process that waits may do it: this one lives as long as one
question. It never waits for a job, never cancels requests, and writes nothing but its answer to stdout.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

import yaml

from resources.skypilot.remote import OURS, JobState, LogRequest, RemoteJob
from resources.skypilot.sdk_errors import failure_of
from resources.skypilot.sdk_fetch import fetch
from resources.skypilot.sdk_offers import enabled_infra, offers
from resources.skypilot.sdk_records import Record, cluster_job, managed_job, without_cluster
from trainer.stopping import end_with_parent

Arguments = Mapping[str, Any]
PARENT_VARIABLE = "AXIOM_PARENT"

# Every task's name stands in the request that launches it.
_LAUNCHES = ("launch", "jobs.launch")


def main() -> None:
    """Read the arguments from stdin, answer on stdout; what SkyPilot prints goes to stderr."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if parent := os.environ.get(PARENT_VARIABLE):
        # A launch whose asker was killed must not be sent later, when another has looked for it in vain.
        end_with_parent(int(parent))
    arguments = json.load(sys.stdin)
    try:
        result: dict[str, Any] = {"ok": VERBS[sys.argv[1]](arguments)}
    except Exception as error:  # whatever SkyPilot raises, its client shall read it
        result = {"error": failure_of(error, _secrets(arguments))}
    with answer:
        answer.write(json.dumps(result) + "\n")


def launch(arguments: Arguments) -> str:
    """Send the task; the id of the request, as soon as the API server has it."""
    sky = _sky()
    task = sky.Task.from_yaml_config(dict(arguments["task"]))
    if arguments["mode"] == "managed":
        return str(sky.jobs.launch(task, name=arguments["name"]))
    # Not `sky.exec`, nor `fast`: the one leaves file mounts behind, the other a changed setup.
    return str(sky.launch(task, cluster_name=arguments["cluster"]))


def launched(arguments: Arguments) -> dict[str, Any]:
    """The job that an ended request led to."""
    given: int | list[int] | None = _sky().get(arguments["request_id"])[0]
    job_id = given[0] if isinstance(given, list) else given
    if job_id is None:
        raise RuntimeError(f"the request {arguments['request_id']} ended without a job")
    known = {name: arguments[name] for name in ("name", "mode", "cluster")}
    return status({"job": {**known, "job_id": job_id, "state": JobState.UNKNOWN}})


def pending(arguments: Arguments) -> list[str]:
    """The launch requests of this job name, or on this cluster, that have not ended."""
    requests = _sky().api_status(all_status=False)
    wanted = arguments["name"], arguments["cluster"]
    return [request.request_id for request in requests if _launches(request, *wanted)]


def find(arguments: Arguments) -> list[dict[str, Any]]:
    """Every job of this name, the newest first."""
    if arguments["mode"] == "managed":
        jobs = _managed(refresh=True)
    else:
        jobs = _on_cluster(arguments["cluster"]) if arguments["cluster"] else []
    return _plain(job for job in jobs if job.name == arguments["name"])


def jobs(_: Arguments) -> list[dict[str, Any]]:
    """Every job of ours, the newest first."""
    sky = _sky()
    clusters = [str(record["name"]) for record in sky.get(sky.status())]
    found = [*_managed(refresh=False), *(job for cluster in clusters for job in _on_cluster(cluster))]
    return _plain(job for job in found if job.name.startswith(OURS))


def status(arguments: Arguments) -> dict[str, Any]:
    """The job as it stands now."""
    job = RemoteJob.model_validate(arguments["job"])
    try:
        now = _managed(refresh=True, job_ids=[job.job_id]) if job.mode == "managed" else _jobs_of(job.cluster)
    except _error("ClusterDoesNotExist"):
        return _as_plain(without_cluster(job))
    except _error("ClusterNotUpError"):
        now = []
    unknown = job if job.state.final else job.model_copy(update={"state": JobState.UNKNOWN})
    return _as_plain(next((other for other in now if other.job_id == job.job_id), unknown))


def cancel(arguments: Arguments) -> None:
    """Ask for the job's end; a job, or a cluster, that is not there has ended."""
    sky, job = _sky(), RemoteJob.model_validate(arguments["job"])
    try:
        if job.mode == "managed":
            sky.get(sky.jobs.cancel(job_ids=[job.job_id]))
        else:
            sky.get(sky.cancel(job.cluster, job_ids=[job.job_id]))
    except (_error("ClusterDoesNotExist"), _error("ClusterNotUpError")):
        return


def down(arguments: Arguments) -> None:
    """Remove a cluster."""
    sky = _sky()
    try:
        sky.get(sky.down(arguments["cluster"]))
    except _error("ClusterDoesNotExist"):
        return


def log_request(arguments: Arguments) -> dict[str, Any]:
    """The request that `sky jobs logs --follow`, or `sky logs`, would send: from the first line, following."""
    payloads = import_module("sky.server.requests.payloads")
    job = RemoteJob.model_validate(arguments["job"])
    if job.mode == "managed":
        path, body = "/jobs/logs", payloads.JobsLogsBody(name=None, job_id=job.job_id, follow=True)
    else:
        path, body = "/logs", payloads.ClusterJobBody(cluster_name=job.cluster, job_id=job.job_id, follow=True, tail=0)
    return _request("POST", path, json.loads(body.model_dump_json()))


def launch_request(arguments: Arguments) -> dict[str, Any]:
    """The request (GET, body empty) that tells in plain JSON how a launch request stands."""
    common, payloads = import_module("sky.server.common"), import_module("sky.server.requests.payloads")
    body = payloads.RequestStatusBody(request_ids=[arguments["request_id"]], all_status=True)
    return _request("GET", "/api/status", {}, common.request_body_to_params(body))


def _request(
    method: str, path: str, body: dict[str, Any], parameters: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """As `server_common.make_authenticated_request` would send it, with the session's own headers."""
    import requests

    common, rest = import_module("sky.server.common"), import_module("sky.server.rest")
    token = import_module("sky.client.service_account_auth").get_service_account_headers()
    request = requests.Request(
        method,
        f"{common.get_server_url()}{path}",
        headers={**rest._session.headers, **token},
        cookies=None if token else common.get_api_cookie_jar(),
        params=dict(parameters or {}),
    ).prepare()
    headers = {name: str(value) for name, value in request.headers.items() if name != "Content-Length"}
    return _as_plain(LogRequest(url=str(request.url), headers=headers, body=body))


def _launches(request: Any, name: str | None, cluster: str | None) -> bool:
    """Whether this request launches a job of this name, on this cluster; none: whatever it is."""
    if request.name.removeprefix("sky.") not in _LAUNCHES:
        return False
    body: dict[str, Any] = json.loads(request.request_body or "null") or {}
    if body.get("is_launched_by_jobs_controller"):  # a managed job's own cluster, under the job's name
        return False
    if cluster is not None and body.get("cluster_name") != cluster:
        return False
    # The body says it, or a document of the task's YAML.
    documents: Iterator[dict[str, Any] | None] = yaml.safe_load_all(body.get("task") or "")
    return name in (None, body.get("name")) or any((one or {}).get("name") == name for one in documents)


def _managed(*, refresh: bool, job_ids: list[int] | None = None) -> list[RemoteJob]:
    """Managed jobs; none where there has never been a controller. `refresh` wakes a controller that sleeps."""
    sky = _sky()
    try:
        answer = sky.get(sky.jobs.queue_v2(refresh=refresh, job_ids=job_ids, fields=None))
    except _error("ClusterNotUpError"):
        return []
    records: list[Record] = answer[0]
    return [managed_job(record, _dashboard()) for record in records]


def _jobs_of(cluster: str | None) -> list[RemoteJob]:
    sky = _sky()
    records: list[Record] = sky.get(sky.queue(cluster, skip_finished=False, all_users=False))
    return [cluster_job(record, str(cluster), _dashboard()) for record in records]


def _on_cluster(cluster: str) -> list[RemoteJob]:
    try:
        return _jobs_of(cluster)
    except (_error("ClusterDoesNotExist"), _error("ClusterNotUpError")):
        return []


def _secrets(arguments: Arguments) -> list[str]:
    """The values of the task's secrets, whatever their names look like."""
    task: Arguments = arguments.get("task") or {}
    secrets: Mapping[str, Any] = task.get("secrets") or {}
    return [str(value) for value in secrets.values()]


def _sky() -> Any:
    return import_module("sky")


def _error(name: str) -> type[Exception]:
    return getattr(import_module("sky.exceptions"), name)


def _dashboard() -> str:
    common = import_module("sky.server.common")
    return common.get_dashboard_url(common.redact_url_password(common.get_server_url()))


def _plain(jobs: Iterable[RemoteJob]) -> list[dict[str, Any]]:
    newest_first = sorted(
        jobs, key=lambda job: (job.submitted_at is not None, job.submitted_at, job.job_id), reverse=True
    )
    return [_as_plain(job) for job in newest_first]


def _as_plain(model: RemoteJob | LogRequest) -> dict[str, Any]:
    return model.model_dump(mode="json")


VERBS: Mapping[str, Callable[[Arguments], Any]] = {
    verb.__name__: verb
    for verb in (
        launch,
        launched,
        launch_request,
        pending,
        find,
        jobs,
        status,
        cancel,
        down,
        log_request,
        offers,
        enabled_infra,
        fetch,
    )
}


if __name__ == "__main__":
    main()
