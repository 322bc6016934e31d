"""`axiom reconcile`: what Dagster believes alive and is dead, and what runs on for nobody; mended or listed."""

from typing import Annotated

import typer

from axiom_dagster.cli.answer import AsJson, answer_json, refusals

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def reconcile(dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Find runs that died though Dagster calls them started, and trainers and jobs that run for nobody; mend all."""
    with refusals(as_json=as_json):
        from axiom_dagster import reconcile as reconciling
        from axiom_dagster.remote_orphans import unknown_jobs
        from resources.home import dagster_instance

        findings = [*reconciling.reconcile(dagster_instance(), dry_run=dry_run), *unknown_jobs()]
    if as_json:
        answer_json({"dry_run": dry_run, "findings": [finding.plain() for finding in findings]})
        return
    for finding in findings:
        typer.echo(f"{finding.kind}  {finding.instance_name}  {finding.process!r}: {finding.remedy}")
    typer.echo(f"{len(findings)} found{', nothing was changed' if dry_run else ''}")
