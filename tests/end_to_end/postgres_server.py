"""Debian's PostgreSQL in a folder, on a port and with a password of its own; it never touches a system service."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

INSTALLED = Path("/usr/lib/postgresql")
ADMINISTRATOR = "postgres"
UNPRIVILEGED = ("postgres", "nobody")
HOST = "127.0.0.1"


def programs() -> Path | None:
    """The folder of the newest PostgreSQL's programs; none where the server is not installed."""
    found = [folder for folder in INSTALLED.glob("*/bin") if (folder / "postgres").exists()]
    return max(found, key=lambda folder: float(folder.parent.name), default=None)


class PostgresServer:
    """A server that runs."""

    def __init__(self, folder: Path, port: int, bin_folder: Path) -> None:
        self.folder, self.port, self.bin = folder, port, bin_folder
        self.password = secrets.token_urlsafe(16)

    def psql(self, *words: str, database: str = "postgres", text: str | None = None) -> str:
        """What `psql` answers to the administrator; `text` is what it reads."""
        address = ["--host", HOST, "--port", str(self.port), "--username", ADMINISTRATOR, "--dbname", database]
        command = [self.bin / "psql", *address, "--no-psqlrc", "--tuples-only", "--set", "ON_ERROR_STOP=1", *words]
        environment = {**os.environ, "PGPASSWORD": self.password}
        done = subprocess.run(command, env=environment, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def initialize(self) -> None:
        """Make the empty cluster; its administrator has the password."""
        password_file = self.folder / "password"
        password_file.write_text(self.password)
        given = ["--username", ADMINISTRATOR, "--pwfile", password_file, "--auth", "scram-sha-256"]
        form = ["--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
        command = [self.bin / "initdb", "--pgdata", self.folder / "data", *given, *form]
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self.as_user())
        assert done.returncode == 0, done.stderr

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server's process; nothing that it writes needs to survive this machine."""
        settings = ["-h", HOST, "-p", str(self.port), "-k", str(self.folder), "-c", "fsync=off"]
        with (self.folder / "log").open("wb") as log:
            command = [self.bin / "postgres", "-D", self.folder / "data", *settings]
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, **self.as_user())

    def answers(self) -> bool:
        """Whether it takes connections."""
        ready = [self.bin / "pg_isready", "--quiet", "--host", HOST, "--port", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def as_user(self) -> dict[str, Any]:
        """How its processes are started: PostgreSQL refuses root."""
        if os.geteuid():
            return {"cwd": self.folder}
        return {"user": owner().pw_uid, "group": owner().pw_gid, "extra_groups": [], "cwd": self.folder}


def owner() -> pwd.struct_passwd:
    """The user whom the server belongs to."""
    if os.geteuid():
        return pwd.getpwuid(os.geteuid())
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(known[name] for name in UNPRIVILEGED if name in known)


@contextmanager
def initialized(port: int, bin_folder: Path) -> Iterator[PostgresServer]:
    """A cluster in a new folder, which goes when the block ends."""
    # Not pytest's own folder: nobody but root may enter that one.
    folder = Path(tempfile.mkdtemp(prefix="axiom-postgres-"))
    try:
        os.chown(folder, owner().pw_uid, -1)
        server = PostgresServer(folder, port, bin_folder)
        server.initialize()
        yield server
    finally:
        shutil.rmtree(folder)


def stop(process: subprocess.Popen[bytes]) -> None:
    """A fast shutdown: its clients are sent away."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
