"""The test bed: real SkyPilot on a real Slurm, all on loopback; `python -m tests.slurm.bed up|down|env` by hand.

It writes into one folder, adds one user, and `down` takes both away. A machine has one bed at a time.
"""

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.slurm.namespaced import Service
from tests.slurm.requirements import missing
from tests.slurm.sky_machine import SkyMachine
from tests.slurm.slurm_cluster import SlurmCluster

FOLDER = Path("/var/lib/axiom-slurm")


@dataclass(frozen=True)
class Bed:
    """The cluster and the machine that asks it for jobs."""

    folder: Path = FOLDER

    @property
    def cluster(self) -> SlurmCluster:
        """Slurm, with ssh in front of it."""
        return SlurmCluster(self.folder)

    @property
    def sky(self) -> SkyMachine:
        """SkyPilot's client and API server."""
        return SkyMachine(self.folder)

    @property
    def artifacts(self) -> str:
        """The URL of a folder that this machine and the nodes share."""
        return f"file://{self.cluster.artifacts}"

    def services(self) -> list[Service]:
        """Everything that runs when it is up."""
        return [*self.cluster.services(), self.sky.server()]

    def running(self) -> bool:
        """Whether all of it runs."""
        return all(service.running() for service in self.services())

    def up(self) -> None:
        """Start it; a bed that runs stays as it is, and one that runs in part is started anew."""
        if self.running() and self.sky.healthy():
            return
        self.down()
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.cluster.up(public_key=self.sky.write_files())
        self.sky.up()

    def down(self) -> None:
        """End everything, jobs too, and remove what `up` made."""
        self.sky.server().stop()
        self.cluster.down()
        shutil.rmtree(self.folder, ignore_errors=True)


def main() -> None:
    """Bring the bed up, take it down, or print the variables of its client."""
    bed, word = Bed(), sys.argv[1] if len(sys.argv) == 2 else ""
    if reasons := missing():
        raise SystemExit("no test bed here: " + "; ".join(reasons))
    if word == "up":
        bed.up()
    elif word == "down":
        bed.down()
    elif word != "env":
        raise SystemExit("usage: python -m tests.slurm.bed up|down|env")
    if word != "down":
        sys.stdout.write(
            f"export {' '.join(f'{name}={shlex.quote(value)}' for name, value in bed.sky.environment().items())}\n"
        )


if __name__ == "__main__":
    main()
