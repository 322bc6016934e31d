"""The command `axiom`; it hands the entry point on."""

from axiom_dagster.cli.app import main

__all__ = ["main"]
