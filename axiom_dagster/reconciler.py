"""The sensor `reconciler`: reports runs whose process died, so that Dagster retries them; it starts nothing itself."""

import dagster as dg

from axiom_dagster.reconcile import reconcile


def reconciling_sensor(job_name: str) -> dg.SensorDefinition:
    """Runs `axiom reconcile` every half minute, on the machine of the code server."""

    @dg.sensor(  # pyright: ignore[reportUnknownMemberType]
        name="reconciler",
        job_name=job_name,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports runs whose process died without a word, so that they are retried; ends orphaned trainers.",
    )
    def reconciler(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        findings = reconcile(context.instance)
        for finding in findings:
            context.log.warning(f"{finding.kind} {finding.instance_name}: {finding.remedy}")
        return dg.SkipReason(f"{len(findings)} runs or trainers were mended")

    return reconciler
