"""A Slurm of one controller and a few nodes, and the sshd in front of it, on loopback; it never touches /etc."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.slurm.namespaced import Service, wait_until
from tests.slurm.requirements import prefix_of, runtime_python

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]

CLUSTER = "loop"
USER = "skyslurm"
NODES = {f"n{number}": (f"127.0.0.{number + 1}", 6820 + number) for number in range(1, 5)}
CONTROLLER_PORT, SSH_PORT = 6817, 2222
# More than the machine has, on purpose: a node is rented whole, and its processes share what there is.
NODE_CPUS, NODE_MEMORY_MB = 16, 64000
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# Not NoInAddrAny: srun would listen on its node's address and be called from 127.0.0.1, and hang without a word.
# OverSubscribe=EXCLUSIVE: every SkyPilot cluster binds the same port of its node.
SLURM_CONF = """\
ClusterName={cluster}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=slurm
AuthType=auth/munge
AuthInfo=socket={bed}/munge/socket
StateSaveLocation={bed}/controller
SlurmdSpoolDir={bed}/nodes/%n/spool
SlurmctldPidFile={bed}/controller/slurmctld.pid
SlurmdPidFile={bed}/nodes/%n/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2
SlurmdParameters=config_overrides
CommunicationParameters=NoCtldInAddrAny
TaskProlog={bed}/etc/task_prolog
MpiDefault=none
ReturnToService=2
KillWait=5
MessageTimeout=30
GresTypes=gpu
{nodes}
PartitionName=dev Nodes=ALL Default=YES MaxTime=1-00:00:00 DefaultTime=01:00:00 State=UP OverSubscribe=EXCLUSIVE
"""

NODE = "NodeName={name} NodeAddr={address} Port={port} CPUs={cpus} RealMemory={memory} Gres=gpu:H100:2 State=UNKNOWN"

# SkyPilot gives each cluster a home of its own and looks for uv there; uv shall trust what the system trusts.
TASK_PROLOG = """\
#!/bin/bash
for home in "$HOME"/.sky_clusters/*/; do
  [ -d "$home" ] && mkdir -p "$home/.local/bin" && ln -sfn /usr/local/bin/uv "$home/.local/bin/uv"
done 2>/dev/null
echo export UV_SYSTEM_CERTS=true
echo export UV_CACHE_DIR={bed}/uv-cache
exit 0
"""

SSHD_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {bed}/etc/host_key
PidFile none
PasswordAuthentication no
UsePAM no
AllowUsers {user}
AuthorizedKeysFile {bed}/etc/authorized_keys
MaxSessions 100
MaxStartups 100
SetEnv SLURM_CONF={bed}/etc/slurm.conf
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class SlurmCluster:
    """Everything of it lies in `bed`, the user's home too; `artifacts` is the folder that all machines share."""

    bed: Path

    @property
    def artifacts(self) -> Path:
        """A shared file system: written by the cluster's user, read by all."""
        return self.bed / "artifacts"

    def up(self, public_key: str) -> None:
        """Start it; returns when all nodes are idle."""
        self._make_user()
        self._write_files(public_key)
        for service in self.services():
            service.start()
            if service.name == "munge":
                wait_until((self.bed / "munge/socket").exists, 15, f"munged does not answer, see {service.log}")
        wait_until(lambda: self.states() == {"idle"}, 60, f"the nodes do not become idle, see {self.bed}/log")

    def down(self) -> None:
        """End it and remove the user; what it wrote stays for its caller."""
        for service in reversed(self.services()):
            service.stop()
        subprocess.run(["userdel", USER], check=False, capture_output=True)

    def services(self) -> list[Service]:
        """In the order in which they start."""
        munge = self.bed / "munge"
        munged = ["munged", "--foreground", f"--socket={munge}/socket", f"--key-file={munge}/key"]
        munged += [f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed"]
        as_munge = ["setpriv", "--reuid=munge", "--regid=munge", "--clear-groups", *munged]
        controller = ["slurmctld", "-D", "-f", self.bed / "etc/slurm.conf"]
        sshd = [shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e", "-f", self.bed / "etc/sshd_config"]
        return [
            self._service("munge", as_munge),
            self._service("controller", controller),
            *(self._machine(name, ["slurmd", "-D", "-N", name, "-f", self.bed / "etc/slurm.conf"]) for name in NODES),
            self._machine("login", sshd),
        ]

    def states(self) -> set[str]:
        """Of the nodes, in Slurm's words; empty while the controller does not answer."""
        answer = self.ask("sinfo", "-h", "-N", "-o", "%T")
        return set(answer.split())

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands prints; empty where it fails."""
        environment = {"PATH": SYSTEM_PATH, "SLURM_CONF": str(self.bed / "etc/slurm.conf")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
        return done.stdout

    def visible(self) -> list[Path]:
        """What the nodes must see of this machine: this repository, its environment, and two Pythons."""
        runtime = runtime_python()
        if runtime is None:
            raise RuntimeError("no Python 3.10 for SkyPilot's runtime on the nodes")
        paths = [REPOSITORY, Path(sys.prefix), Path(sys.base_prefix), prefix_of(runtime)]
        return [path for path in dict.fromkeys(paths) if not any(other in path.parents for other in paths)]

    def _service(self, name: str, command: list[str | Path]) -> Service:
        return Service(name, command, self.bed / "log")

    def _machine(self, name: str, command: list[str | Path]) -> Service:
        visible = " ".join(str(path) for path in self.visible())
        return self._service(name, [HERE / "node.sh", name, self.bed, USER, visible, *command])

    def _make_user(self) -> None:
        try:
            pwd.getpwnam(USER)
        except KeyError:
            # A password that is no password: without PAM, sshd refuses a locked account.
            command = ["useradd", "--create-home", "--home-dir", self.bed / "home-of-user", "--shell", "/bin/bash"]
            subprocess.run([*command, "--password", "*", USER], check=True, capture_output=True)

    def _write_files(self, public_key: str) -> None:
        etc, binaries = self._folder("etc"), self._folder("bin")
        self._folder("log")
        self._folder("controller", "slurm", 0o755)
        self._folder("artifacts", USER, 0o1777)
        self._folder("uv-cache", USER)
        self._write_munge()
        self._write_slurm(etc)
        self._write_sshd(etc, public_key)
        self._write_binaries(binaries)

    def _folder(self, name: str, owner: str = "root", mode: int = 0o755) -> Path:
        folder = self.bed / name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.chown(folder, owner)
        folder.chmod(mode)
        return folder

    def _write_munge(self) -> None:
        munge = self._folder("munge", "munge")
        key = munge / "key"
        if not key.exists():
            key.write_bytes(os.urandom(128))
            key.chmod(0o400)
            shutil.chown(key, "munge")

    def _write_slurm(self, etc: Path) -> None:
        lines = [
            NODE.format(name=name, address=address, port=port, cpus=NODE_CPUS, memory=NODE_MEMORY_MB)
            for name, (address, port) in NODES.items()
        ]
        host = socket.gethostname().split(".")[0]
        conf = SLURM_CONF.format(cluster=CLUSTER, host=host, port=CONTROLLER_PORT, bed=self.bed, nodes="\n".join(lines))
        (etc / "slurm.conf").write_text(conf)
        (etc / "gres.conf").write_text(
            f"AutoDetect=off\nNodeName=n[1-{len(NODES)}] Name=gpu Type=H100 File={self.bed}/gpu[0-1]\n"
        )
        hosts = "".join(f"{address} {name}\n" for name, (address, _) in NODES.items())
        (etc / "hosts").write_text(Path("/etc/hosts").read_text() + hosts)
        prolog = etc / "task_prolog"
        prolog.write_text(TASK_PROLOG.format(bed=self.bed))
        prolog.chmod(0o755)
        for name in NODES:
            self._folder(f"nodes/{name}/spool")
        for number in range(2):  # a pretended GPU: Slurm 22.05 counts none without a device file
            device = self.bed / f"gpu{number}"
            if not device.exists():
                os.mknod(device, 0o20666, os.makedev(1, 3))

    def _write_sshd(self, etc: Path, public_key: str) -> None:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        if not (etc / "host_key").exists():
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", etc / "host_key"]
            subprocess.run(command, check=True, capture_output=True)
        (etc / "authorized_keys").write_text(public_key)
        (etc / "sshd_config").write_text(SSHD_CONFIG.format(port=SSH_PORT, bed=self.bed, user=USER))

    def _write_binaries(self, binaries: Path) -> None:
        runtime = runtime_python()
        for name, target in (("python3.10", runtime), ("uv", Path(sys.prefix) / "bin/uv")):
            (binaries / name).unlink(missing_ok=True)
            (binaries / name).symlink_to(target)
