"""Says what this machine lacks for the test bed and finds the interpreters that it needs; it installs nothing."""

import importlib.util
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGES = "make debian-slurm"
PROGRAMS = ("slurmctld", "slurmd", "sinfo", "munged", "sshd", "ssh-keygen", "rsync", "curl", "unshare", "setpriv")
RUNTIME = "3.10"


def missing() -> list[str]:
    """Everything that stands against the test bed here, each with what to do; empty where it can run."""
    return [text for text in (_system(), _programs(), _skypilot(), _runtime()) if text]


def _system() -> str:
    if platform.system() != "Linux":
        return f"it runs Slurm and namespaces, which need Linux, and this is {platform.system()}"
    return "" if os.geteuid() == 0 else "it makes a user, mounts and namespaces: run it as root"


def _programs() -> str:
    lacking = [name for name in PROGRAMS if not shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")]
    return f"{', '.join(lacking)} not found: `{PACKAGES}`" if lacking else ""


def _skypilot() -> str:
    lacking = [name for name in ("sky", "hostlist", "uv") if importlib.util.find_spec(name) is None]
    return f"no {', '.join(lacking)} in this environment: `make setup`" if lacking else ""


def _runtime() -> str:
    if runtime_python() is not None:
        return ""
    return f"no Python {RUNTIME}, which SkyPilot wants on a node: set PY310 to one, or `uv python install {RUNTIME}`"


@cache
def runtime_python() -> Path | None:
    """A Python 3.10 that starts here; none where there is none."""
    return next((python for python in _candidates() if _prefix(python)), None)


def prefix_of(python: Path) -> Path:
    """The installation that an interpreter belongs to."""
    prefix = _prefix(python)
    if prefix is None:
        raise RuntimeError(f"{python} is no Python {RUNTIME} that starts")
    return prefix


def _candidates() -> Iterator[Path]:
    if "PY310" in os.environ:
        yield Path(os.environ["PY310"])
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{RUNTIME}*/bin/python{RUNTIME}"))
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", Path.home() / ".local/share/uv/python"))
    yield from sorted(uv.glob(f"cpython-{RUNTIME}*/bin/python{RUNTIME}"))
    yield from (Path(found) for found in (shutil.which(f"python{RUNTIME}"),) if found)


def _prefix(python: Path) -> Path | None:
    question = "import sys; print(sys.version.startswith('3.10.') and sys.base_prefix or '')"
    try:
        answer = subprocess.run([python, "-c", question], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return Path(answer.stdout.strip()) if answer.stdout.strip() else None
