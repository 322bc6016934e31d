"""The code that travels to a job: a copy of the repository's tracked files, as they lie there; it changes none of them.

Without a repository the installed trainer travels alone. What the trainer needs there is listed beside it.
"""

import os
import re
import shutil
import tomllib
from collections.abc import Iterable, Sequence
from importlib.metadata import requires
from pathlib import Path

from trainer.contract import RunDirectory
from trainer.contract.checkout import Checkout, checkout_of
from trainer.contract.code_files import TRAINER
from trainer.contract.git import git

REQUIREMENTS = "axiom-requirements.txt"
EXPERIMENTS = Path("configs/experiments")
CONSTRAINTS = "constraints.txt"
DISTRIBUTION = "axiom_dagster"
EXTRA = re.compile(r"""\s*;\s*extra\s*==\s*["']trainer["']\s*$""")


def stage_workdir(target: Path, run: RunDirectory, trainer: Path = TRAINER) -> Path:
    """Put the code into the folder `target`, in the place of whatever was there; returns it.

    Of the repository that `trainer` is tracked in, every tracked file that exists, with its content in the work tree;
    and the source of the run's imported ops. The folder has to stay until the job has ended: an API server on this
    machine reads it whenever it gives a managed job a machine.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    checkout = checkout_of(trainer / "__init__.py")
    if checkout is None:
        shutil.copytree(trainer, target / "trainer", ignore=shutil.ignore_patterns("__pycache__"))
    else:
        _copy(checkout.top, tracked_files(checkout), target)
    if run.source.is_dir():
        shutil.copytree(run.source, target / EXPERIMENTS / f"{run.instance_name}.source")
    (target / REQUIREMENTS).write_text("\n".join(_requirements(target)) + "\n")
    # SkyPilot leaves out what a .gitignore names, above this folder too, unless there is a list of its own.
    (target / ".skyignore").touch()
    return target


def tracked_files(checkout: Checkout) -> Sequence[Path]:
    """The files that git follows and that exist, relative to the top; no repository inside this one."""
    names = [Path(os.fsdecode(name)) for name in git(checkout.top, "ls-files", "-z").split(b"\0") if name]
    return [name for name in names if (checkout.top / name).is_symlink() or (checkout.top / name).is_file()]


def _copy(top: Path, names: Iterable[Path], target: Path) -> None:
    for name in names:
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(top / name, place, follow_symlinks=False)


def _requirements(staged: Path) -> list[str]:
    """What `pip install -r` needs for the trainer's part: of `pyproject.toml`, else of the installed distribution."""
    project = staged / "pyproject.toml"
    if project.is_file():
        described = tomllib.loads(project.read_text())["project"]
        wanted = [*described["dependencies"], *described["optional-dependencies"]["trainer"]]
    else:
        listed = requires(DISTRIBUTION) or []
        wanted = [EXTRA.sub("", each) for each in listed if "extra" not in each or EXTRA.search(each)]
    return [*([f"-c {CONSTRAINTS}"] if (staged / CONSTRAINTS).is_file() else []), *wanted]
