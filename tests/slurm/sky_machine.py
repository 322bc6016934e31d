"""SkyPilot's client and API server for the bed: a HOME of their own, so that a user's ~/.sky stays as it is."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.slurm.namespaced import Service, wait_until
from tests.slurm.slurm_cluster import CLUSTER, SSH_PORT, USER

PLUGINS = Path(__file__).parent / "plugins"
PORT = 46777  # not SkyPilot's own 46580: a server of the user may run there

SLURM_HOST = """\
Host {cluster}
    HostName 127.0.0.1
    Port {port}
    User {user}
    IdentityFile {home}/.ssh/slurm_key
    IdentitiesOnly yes
"""

SKY_CONFIG = """\
allowed_clouds: [slurm]
jobs:
  controller:
    consolidation_mode: true
"""

PLUGIN = """\
plugins:
- class: loopback_probe.LoopbackProbe
  parameters:
    url: {url}/api/health
"""


@dataclass(frozen=True)
class SkyMachine:
    """The machine that asks for jobs."""

    bed: Path

    @property
    def home(self) -> Path:
        """HOME of the client and of the API server."""
        return self.bed / "home"

    @property
    def url(self) -> str:
        """Of the API server."""
        return f"http://127.0.0.1:{PORT}"

    def environment(self) -> dict[str, str]:
        """The variables that make a process a client of the bed's SkyPilot."""
        return {
            "HOME": str(self.home),
            "SKYPILOT_API_SERVER_LOCAL_PORT": str(PORT),
            "SKYPILOT_DISABLE_USAGE_COLLECTION": "1",
        }

    def server(self) -> Service:
        """The API server, its executors and the controllers of managed jobs."""
        command = [
            sys.executable,
            "-m",
            "sky.client.cli.command",
            "api",
            "start",
            "--foreground",
            "--host",
            "127.0.0.1",
        ]
        return Service("api-server", command, self.bed / "log")

    def up(self) -> None:
        """Start the API server and let it look at the cluster; returns when Slurm is enabled."""
        paths = os.pathsep.join([str(PLUGINS), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        # Of 8 GB SkyPilot takes enough for two controllers of managed jobs; of all there is it takes a dozen.
        frugal = {"SKYPILOT_POD_MEMORY_GB_LIMIT": "8"}
        environment = {**os.environ, **self.environment(), **frugal, "PYTHONPATH": paths}
        wait_until(
            lambda: self._answers(environment), 120, f"SkyPilot's API server does not answer, see {self.server().log}"
        )
        if "loop" not in (said := self.sky("check", "slurm")):
            raise RuntimeError(f"`sky check slurm` does not see the cluster: {said}")

    def _answers(self, environment: Mapping[str, str]) -> bool:
        """Whether it is up; one that has ended is started again.

        It ends at once where a port of its own choice, of those that connections get by chance, is taken for a while.
        """
        self.server().start(environment)
        return self.healthy()

    def healthy(self) -> bool:
        """Whether the API server answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/health", timeout=5) as answer:
                return json.load(answer).get("status") == "healthy"
        except (urllib.error.URLError, OSError, ValueError):
            return False

    def sky(self, *arguments: str, seconds: float = 120) -> str:
        """What the `sky` command prints."""
        command = [sys.executable, "-m", "sky.client.cli.command", *arguments]
        environment = {**os.environ, **self.environment()}
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout + done.stderr

    def write_files(self) -> str:
        """Make the HOME; returns the public key of its client."""
        for name in (".ssh", ".slurm", ".sky", ".sky/catalogs/v8/common"):
            (self.home / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        key = self.home / ".ssh/slurm_key"
        if not key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True, capture_output=True)
        host = SLURM_HOST.format(cluster=CLUSTER, port=SSH_PORT, user=USER, home=self.home)
        (self.home / ".slurm/config").write_text(host)
        (self.home / ".sky/config.yaml").write_text(SKY_CONFIG)
        (self.home / ".sky/plugins.yaml").write_text(PLUGIN.format(url=self.url))
        # Naming an accelerator makes SkyPilot read this file, which it otherwise fetches from the web.
        catalog = self.home / ".sky/catalogs/v8/common/accelerators.csv"
        catalog.write_text("AcceleratorName,Clouds\nH100,\"['Slurm']\"\n")
        return key.with_suffix(".pub").read_text()
