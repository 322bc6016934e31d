"""The environments of peers: made on the first call and kept in the user's cache; the product never needs one."""

import os
import subprocess
import venv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# First and alone, as in our own environment: so its exact version names the CPU build.
TORCH = ("torch==2.13.0",)


class NotInstalled(Exception):
    """An environment could not be made here; says why."""


@dataclass(frozen=True)
class Environment:
    """What a peer needs: the words of each `pip install`, in order, and what must load then."""

    name: str
    installs: tuple[tuple[str, ...], ...]
    loads: str
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def versions(self) -> str:
        """What is installed, as a reader says it."""
        return ", ".join(word.replace("==", " ") for words in self.installs for word in words if "==" in word)

    def python(self) -> str:
        """The environment's Python; raises `NotInstalled`."""
        home = _cache() / self.name
        python, note = home / "bin" / "python", home / "installed.txt"
        asked = "\n".join(" ".join(words) for words in self.installs)
        if not note.exists() or note.read_text() != asked:
            venv.create(home, clear=True, with_pip=True)
            for words in self.installs:
                self._run(python, "-m", "pip", "install", "--quiet", *words)
            self._run(python, "-c", self.loads)
            note.write_text(asked)
        return str(python)

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(
            command, env={**os.environ, **self.variables}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise NotInstalled(reason(done.stderr))


def reason(stderr: str) -> str:
    """The line of an output that says what was wrong: the last that names an error, or else the last."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if "Error" in line or "ERROR" in line), lines[-1] if lines else "")


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "axiom_dagster" / "peers"


SB3 = Environment(
    "stable-baselines3",
    (TORCH, ("stable-baselines3==2.9.2", "gymnasium==1.4.0")),
    "import stable_baselines3",
)
# The newest release with a `ppo.py`; made for Pythons before 3.11, on which it runs nevertheless.
CLEANRL = Environment(
    "cleanrl",
    (
        TORCH,
        ("gym==0.23.1", "pygame==2.6.1", "numpy==1.26.4", "setuptools"),
        ("--no-deps", "--ignore-requires-python", "cleanrl==1.2.0"),
    ),
    "import gym, torch",
)
# Its wheels need the libraries of CUDA, and torch 2.9.0 at that: built here it needs neither.
PUFFERLIB = Environment(
    "pufferlib-core",
    (
        TORCH,
        ("mettagrid==0.26.22", "gymnasium==1.4.0", "omegaconf==2.4.0"),
        ("psutil", "nvidia-ml-py", "rich", "rich-argparse", "pyro-ppl", "setuptools", "wheel", "ninja"),
        ("--no-deps", "--no-build-isolation", "--no-binary=pufferlib-core", "pufferlib-core==3.0.23"),
    ),
    "import torch; from pufferlib import _C",
    {"PUFFERLIB_DISABLE_CUDA": "1"},
)
