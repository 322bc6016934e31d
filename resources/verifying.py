"""Has a run verified by a trainer process of its own, which knows nothing of this one; it never compares by itself."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from tempfile import TemporaryFile
from typing import Any, cast

from resources.local_compute import PARENT_VARIABLE, LocalCompute
from trainer.contract import Problem, Refused, RunDirectory
from trainer.contract.progress import Progress
from trainer.contract.verification import Verification


def _nothing(progress: Progress) -> None:
    """For whoever does not ask how far it is."""


def verification_of(
    run: RunDirectory,
    updates: int | None = None,
    assignments: Iterable[str] = (),
    on_progress: Callable[[Progress], None] = _nothing,
) -> Verification:
    """What came of repeating the run's training, all of it or its first `updates` (0: files and conditions alone).

    The process has the variables that a training of this run has. Raises `Refused` where nothing can be compared.
    """
    if not run.spec_file.is_file():
        raise Refused.one("run", str(run.path), "there is no run.yaml; name a run, or the directory of one")
    command = [sys.executable, "-P", "-m", "trainer", "verify", "--run-dir", str(run.path)]
    command += [] if updates is None else ["--updates", str(updates)]
    command += [f"--set={assignment}" for assignment in assignments]
    environment = {**LocalCompute().environment(run), PARENT_VARIABLE: str(os.getpid())}
    answer: dict[str, Any] = {}
    with TemporaryFile("w+") as errors:
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process:
            for line in process.stdout or ():
                said = _answer(line)
                answer = said or answer
                if "progress" in said:
                    on_progress(Progress.accept(said["progress"]))
        errors.seek(0)
        return _verification(answer, process.returncode, errors.read())


def _answer(line: str) -> dict[str, Any]:
    """A line of JSON; nothing for what an op or a package has printed."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _verification(answer: dict[str, Any], code: int, errors: str) -> Verification:
    if "verification" in answer:
        return Verification.accept(answer["verification"])
    if "problems" in answer:
        raise Refused(Problem(**problem) for problem in answer["problems"])
    tail = "\n".join(errors.splitlines()[-10:])
    raise Refused.one("verify", f"exit code {code}", f"the trainer process ended without an answer:\n{tail}")
