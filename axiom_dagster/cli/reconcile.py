"""`axiom reconcile`: what Dagster believes alive and is dead, and trainers that nobody waits for; mended or listed."""

from typing import Annotated

import typer

from axiom_dagster.cli.answer import AsJson, answer_json, refusals

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def reconcile(dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Find dead runs that Dagster still calls started, and orphaned trainers on this machine; mend both."""
    with refusals(as_json=as_json):
        from axiom_dagster import reconcile as reconciling
        from resources.home import dagster_instance

        findings = reconciling.reconcile(dagster_instance(), dry_run=dry_run)
    if as_json:
        answer_json({"dry_run": dry_run, "findings": [finding.plain() for finding in findings]})
        return
    for finding in findings:
        typer.echo(f"{finding.kind}  {finding.instance_name}  {finding.process!r}: {finding.remedy}")
    typer.echo(f"{len(findings)} found{', nothing was changed' if dry_run else ''}")
