"""The sensor `failure_webhook`: tells a chat of each run that failed; off until someone starts it, and it runs nothing.

What it posts to is the resource's business; docs/ui.md says how to set it up.
"""

import dagster as dg

from axiom_dagster.run_handle import RunHandle
from resources.failure_webhook import FailureWebhook
from resources.manifest_store import INSTANCE_NAME_TAG

WILL_RETRY_TAG = "dagster/will_retry"
LONGEST = 600


def failure_sensor(job_name: str) -> dg.SensorDefinition:
    """Reports failed runs of `job_name` and whatever other run a stage has begun in, from whatever door."""

    # All code locations: runs of `axiom run` and of Python belong to none.
    @dg.run_failure_sensor(  # pyright: ignore[reportUnknownMemberType]
        name="failure_webhook",
        default_status=dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=30,
        monitor_all_code_locations=True,
        description="Posts each failed run to the webhook whose address is in the environment variable "
        "AXIOM_WEBHOOK_SECRET_URL (Slack's JSON). Stopped until someone starts it; without an address it only says so.",
    )
    def failure_webhook(
        context: dg.RunFailureSensorContext, webhook: dg.ResourceParam[FailureWebhook]
    ) -> dg.SkipReason | None:
        run = context.dagster_run
        if run.job_name != job_name and INSTANCE_NAME_TAG not in run.tags:
            return None
        if webhook.address is None:
            return dg.SkipReason(f"{webhook.url_variable} is not set: set it where Dagster's code server starts")
        webhook.post(message(RunHandle(run.run_id, context.instance), webhook.ui_url))
        return None

    return failure_webhook


def message(handle: RunHandle, ui_url: str) -> str:
    """What is said of a failed run: its name, why it failed, whether it is tried again, and where to look."""
    why = (handle.error or "no reason is recorded").strip()
    shortened = why if len(why) <= LONGEST else f"{why[:LONGEST]}…"
    again = "\nDagster tries it again." if handle.tags.get(WILL_RETRY_TAG) == "true" else ""
    return f"*{handle.instance_name}* failed: {shortened}{again}\n{ui_url.rstrip('/')}/runs/{handle.run_id}"
