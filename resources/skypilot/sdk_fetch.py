"""Copies a folder from a job's cluster with rsync, over SkyPilot's ssh; it never writes to the cluster."""

import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resources.skypilot.remote import RemoteJob

SECONDS = 3600
# On Slurm a cluster's home is not the user's: SkyPilot leaves this file there, and says in SKY_CLUSTER_NAME which one.
_RSYNC = ("--archive", "--no-owner", "--no-group", "--compress")
_AT_HOME = "if [ -f ~/.sky_ssh_rc ]; then . ~/.sky_ssh_rc; fi;"


def fetch(arguments: Mapping[str, Any]) -> None:
    """Copy the content of `remote` (absolute, or below `~/`) into the folder `local`."""
    job = RemoteJob.model_validate(arguments["job"])
    if not job.cluster:
        raise ValueError(f"job {job.job_id} has no cluster to copy from; give `artifacts` a URL that both sides reach")
    shell = _ssh(job.cluster)
    local = Path(arguments["local"])
    local.mkdir(parents=True, exist_ok=True)
    # A path below the home is sent as relative: the home is where rsync starts.
    source = arguments["remote"].removeprefix("~/").rstrip("/")
    command = ["rsync", *_RSYNC, "--rsh", shlex.join(shell), "--rsync-path", f"{_AT_HOME} rsync"]
    _run([*command, f"{job.cluster}:{source}/", f"{local}/"])


def _ssh(cluster: str) -> list[str]:
    """`sky status` writes the host's entry; named in full, since ssh looks for ~ in the user database, not in HOME."""
    _run([sys.executable, "-P", "-m", "sky.client.cli.command", "status", cluster])
    generated = Path.home() / ".sky/generated"
    entry, key = generated / "ssh" / cluster, generated / "ssh-keys" / f"{cluster}.key"
    if not entry.exists():
        raise RuntimeError(f"SkyPilot wrote no ssh entry for the cluster {cluster} ({entry}): is it up? `sky status`")
    identity = ["-i", str(key)] if key.exists() else []
    return ["ssh", "-F", str(entry), *identity, "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise RuntimeError(
            f"{Path(command[0]).name} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}"
        )
