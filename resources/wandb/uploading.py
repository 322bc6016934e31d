"""Uploads what a run tracked offline, by a trainer process of its own; it never changes the run and marks only success.

The rows of metrics.jsonl are the truth: W&B does not merge offline files of several attempts, and drops late rows.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from resources.local_compute import TRAINER_ROOT
from trainer.contract import Refused, RunDirectory, load_experiment_spec, read_manifest, write_text
from trainer.contract.code import code_facts
from trainer.contract.run_directory import file_digest
from trainer.contract.tracking import TRACKED_STAGES, Tracking, has_key, server_of

NUMBERS = {"train": "metrics.jsonl", "evaluate": "episodes.json"}


@dataclass(frozen=True)
class Uploaded:
    """One stage of one run. `what`: uploaded now, `there` already, `online` from the beginning, or `failed`."""

    instance_name: str
    stage: str
    what: Literal["uploaded", "there", "online", "failed"]
    updates: int
    url: str | None
    problem: str | None = None

    def plain(self) -> dict[str, Any]:
        """The same as JSON types."""
        return asdict(self)


def require_key(environment: Mapping[str, str]) -> None:
    """Raises `Refused` where W&B's client would find no key."""
    if not has_key(environment):
        why = (
            f"no key for {server_of(environment)} is at hand; set it, or log in by `wandb login`; nothing was uploaded"
        )
        raise Refused.one("WANDB_API_KEY", None, why)


def upload(run: RunDirectory, environment: Mapping[str, str], *, again: bool = False) -> Iterator[Uploaded]:
    """Bring each stage of the run that has numbers to W&B; what the server has already is not sent again.

    `again` asks the server even where an earlier upload succeeded. Raises `Refused` where there is no run.
    """
    if not run.spec_file.is_file():
        raise Refused.one("run", str(run.path), "there is no run.yaml; name a run, or the directory of one")
    for stage in TRACKED_STAGES:
        if (run.stage(stage) / NUMBERS[stage]).is_file():
            yield (
                _online(run, stage) or (not again and _there(run, stage, environment)) or _sent(run, stage, environment)
            )


def _online(run: RunDirectory, stage: str) -> Uploaded | None:
    """What went to W&B while it ran, all of it."""
    file = run.manifest_file(stage)
    tracked = read_manifest(file).tracking if file.is_file() else None
    if tracked is None or tracked.mode != "online" or tracked.waiting or tracked.problem:
        return None
    return Uploaded(run.instance_name, stage, "online", tracked.updates, tracked.url)


def _mark(run: RunDirectory, stage: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """What tells one upload from another: which numbers went to which server and project."""
    with run.source_first():
        wandb = load_experiment_spec(run.spec_file).wandb
    digest = file_digest(run.stage(stage) / NUMBERS[stage])
    return {"server": server_of(environment), "entity": wandb.entity, "project": wandb.project, "numbers": digest}


def _there(run: RunDirectory, stage: str, environment: Mapping[str, str]) -> Uploaded | None:
    try:
        kept = json.loads((run.stage(stage) / "uploaded.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if kept.get("mark") != _mark(run, stage, environment):
        return None
    return Uploaded(run.instance_name, stage, "there", kept["updates"], kept["url"])


def _sent(run: RunDirectory, stage: str, environment: Mapping[str, str]) -> Uploaded:
    mark = _mark(run, stage, environment)
    command = [sys.executable, "-P", "-m", "trainer.engine.tracking", "--upload", "--run-dir", str(run.path)]
    manifest = read_manifest(file) if (file := run.manifest_file(stage)).is_file() else None
    facts = code_facts(run, manifest.code if manifest else None)
    ended_well = manifest is not None and manifest.status == "succeeded"
    command += ["--stage", stage, "--exit-code", str(int(not ended_well)), "--facts", json.dumps(facts)]
    paths = {"PYTHONPATH": str(TRAINER_ROOT)}
    done = subprocess.run(
        command, env={**environment, **paths}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    last = (done.stdout.splitlines() or [""])[-1]
    if not last:
        why = f"the trainer process ended with exit code {done.returncode}: {done.stderr.strip()[-300:]}"
        return Uploaded(run.instance_name, stage, "failed", 0, None, why)
    sent = Tracking.accept(json.loads(last))
    if sent.problem:
        return Uploaded(run.instance_name, stage, "failed", sent.updates, sent.url, sent.problem)
    kept = {"mark": mark, "updates": sent.updates, "url": sent.url}
    write_text(run.stage(stage) / "uploaded.json", json.dumps(kept) + "\n")
    return Uploaded(run.instance_name, stage, "uploaded", sent.updates, sent.url)
