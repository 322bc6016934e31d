"""Every command answers programs: with --json, or for a reason that stands here."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer
import yaml
from typer.testing import CliRunner

from axiom_dagster.cli.app import app

WITHOUT = {
    "ui": "it goes on until someone ends it",
    "spec schema": "its answer is JSON already",
    "spec reference": "it is a page for people; `spec schema` is the same for programs",
}


def commands(group: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command by its words; one that does something by itself counts beside its subcommands."""
    below = getattr(group, "commands", {})
    if not below or getattr(group, "invoke_without_command", False):
        yield path.strip(), group
    for name, command in below.items():
        yield from commands(command, f"{path} {name}")


def test_every_command_has_json_or_a_reason_why_not() -> None:
    has = {
        path: any("--json" in parameter.opts for parameter in command.params)
        for path, command in commands(typer.main.get_command(app))
    }
    assert len(has) > 15
    assert {path for path, answers in has.items() if not answers} == set(WITHOUT)


def test_a_new_spec_and_the_homes_variables_as_json_are_what_they_are_as_text(home: Path) -> None:
    def answer(*words: str) -> str:
        return CliRunner().invoke(app, list(words)).stdout

    assert json.loads(answer("spec", "new", "--json")) == yaml.safe_load(answer("spec", "new"))
    assert json.loads(answer("env", "--json")) == {"AXIOM_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}


@pytest.mark.parametrize("path", WITHOUT)
def test_a_command_on_the_list_exists(path: str) -> None:
    assert path in dict(commands(typer.main.get_command(app)))
