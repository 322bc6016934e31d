"""`axiom ui` and `axiom env`: Dagster's webserver, daemon and own commands on our home; from this machine only."""

import os
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from axiom_dagster.cli.answer import AsJson, answer_json, refusals, say

LOOPBACK = "127.0.0.1"
ROOT = Path(__file__).parents[2]
DEFINITIONS = "axiom_dagster.definitions"
PAGES = {
    "asset graph": "/asset-groups",
    "Launchpad": "/locations/axiom_dagster.definitions/jobs/train_and_eval/playground",
    "variants": "/assets/variants/train?view=partitions",
    "runs": "/runs",
}

Port = Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")]


def ui(port: Port = 3000) -> None:
    """Start the Dagster UI with schedules and sensors; Ctrl-C ends it."""
    with refusals(as_json=False):
        _refuse_taken(port)
        from resources.home import EXPERIMENTS_LOCATION, home_environment, prepare_home

        home = prepare_home()
    say(f"home         {home}")
    for name, path in PAGES.items():
        say(f"{name:<12} http://{LOOPBACK}:{port}{path}")
    dagster = str(Path(sys.executable).with_name("dagster"))
    locations = [word for module in (DEFINITIONS, EXPERIMENTS_LOCATION) for word in ("-m", module)]
    command = [dagster, "dev", *locations, "-d", str(ROOT), "-h", LOOPBACK, "-p", str(port)]
    # Started in the background by a script it would inherit "ignore", and Dagster could then never be stopped.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The code server looks modules up by name: a folder `trainer` where the command was typed must not be found first.
    os.execve(dagster, command, {**os.environ, **home_environment(home), "PYTHONSAFEPATH": "1"})


def env(as_json: AsJson = False) -> None:
    """Print the exports that make Dagster's own commands use this home: `eval "$(axiom env)"`."""
    import shlex

    with refusals(as_json=as_json):
        from resources.home import home_environment, prepare_home

        variables = home_environment(prepare_home())
    if as_json:
        answer_json(dict(variables))
        return
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(value)}")


def _refuse_taken(port: int) -> None:
    from trainer.contract import Refused

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise Refused.one("--port", port, f"{error.strerror}; give another with --port") from None
