"""What a rented training needs before money is spent: all that is missing, told at once; it mends and launches nothing.

One probe is written where artifacts are to be kept, and removed again.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from resources.skypilot.artifacts import require_writable
from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.plan import plan_of
from resources.skypilot.remote import SkyPilot, SkyPilotError
from resources.skypilot.task import secrets_of
from trainer.contract import Problem, Refused, TrainAndEvalSpec
from trainer.contract.code_files import TRAINER
from trainer.contract.git import GitFailed, git
from trainer.contract.tracking import KEY, has_key

NAMED_FILES = 5
ENVIRONMENT: Mapping[str, str] = os.environ


def require_ready(
    jobs: Sequence[tuple[TrainAndEvalSpec, SkypilotJobConfig]],
    sky: SkyPilot,
    *,
    code: Path = TRAINER,
    environment: Mapping[str, str] = ENVIRONMENT,
) -> None:
    """Raises one `Refused` with everything that these jobs lack: git, SkyPilot, W&B, secrets, artifacts.

    `code` is a folder of the checkout whose tracked files travel, `environment` where secrets are taken from.
    """
    problems = list(_git_problems(code)) if any(config.git_check for _, config in jobs) else []
    infra = list(_infra_problems(sky, dict.fromkeys(config.infra for _, config in jobs)))
    problems += infra or [problem for job in jobs for problem in _budget_problems(*job, sky)]
    for spec, config in jobs:
        problems += [*_wandb_problems(spec, config, environment), *_secret_problems(config, environment)]
    for place in dict.fromkeys(config.artifacts for _, config in jobs if config.artifacts):
        problems += _artifact_problems(place)
    if problems:
        raise Refused(_once(problems))


def require_committed(config: SkypilotJobConfig, code: Path = TRAINER) -> None:
    """Raises `Refused` for code that is not committed and pushed, unless the config allows it."""
    problems = list(_git_problems(code)) if config.git_check else []
    if problems:
        raise Refused(problems)


def _once(problems: Sequence[Problem]) -> Iterator[Problem]:
    seen: list[Problem] = []
    for problem in problems:
        if problem not in seen:
            seen.append(problem)
            yield problem


def _git_problems(code: Path) -> Iterator[Problem]:
    """Code that nobody could find again: of no checkout, not committed, or on this machine only."""
    branch = _git(code, "rev-parse", "--abbrev-ref", "HEAD")
    if branch is None:
        yield Problem("git", str(code), f"is in no git checkout with a commit, so what ran could not be found{_SKIP}")
        return
    changed = (_git(code, "status", "--porcelain") or "").splitlines()
    if changed:
        names = ", ".join(line[3:] for line in changed[:NAMED_FILES])
        more = f" and {len(changed) - NAMED_FILES} more" if len(changed) > NAMED_FILES else ""
        yield Problem("git", names + more, f"not committed (untracked files do not travel); commit or remove{_SKIP}")
    if not (_git(code, "branch", "--remotes", "--contains", "HEAD") or "").strip():
        commit = (_git(code, "rev-parse", "HEAD") or "").strip()
        yield Problem("git", commit, f"is on no remote branch; `git push` {branch.strip()!r}{_SKIP}")


_SKIP = ", or give --git-check=false (the run then records a patch)"


def _git(folder: Path, *words: str) -> str | None:
    """What git says; none where it refuses or is not there."""
    try:
        return git(folder, *words).decode(errors="replace")
    except GitFailed:
        return None


def _infra_problems(sky: SkyPilot, wanted: Mapping[str, None]) -> Iterator[Problem]:
    """No SkyPilot, nothing that it may use, or not what the jobs ask for."""
    try:
        enabled = list(sky.enabled_infra())
    except SkyPilotError as error:
        yield Problem("skypilot", error.asked, f"SkyPilot said: {error.said}; {error.remedy}")
        return
    if not enabled:
        yield Problem("skypilot", enabled, "SkyPilot may use no infrastructure; `sky check` says what each one lacks")
        return
    clouds = {_cloud(name) for name in enabled}
    for infra in wanted:
        if infra and _cloud(infra) != "*" and _cloud(infra) not in clouds:
            why = f"is not enabled, {', '.join(sorted(enabled))} is; `sky check {_cloud(infra)}` says what is missing"
            yield Problem("skypilot.infra", infra, why)


def _budget_problems(spec: TrainAndEvalSpec, config: SkypilotJobConfig, sky: SkyPilot) -> Iterator[Problem]:
    """A worst case above the budget, or one that nobody knows."""
    if config.budget_dollars is not None:
        plan = plan_of(spec, config, sky)
        if plan.over_budget is not None:
            yield plan.over_budget


def _cloud(infra: str) -> str:
    """`kubernetes` of `k8s/my-context`: what SkyPilot's check speaks of."""
    name = infra.partition("/")[0].partition(" ")[0].lower()
    return {"k8s": "kubernetes"}.get(name, name)


def _wandb_problems(
    spec: TrainAndEvalSpec, config: SkypilotJobConfig, environment: Mapping[str, str]
) -> Iterator[Problem]:
    """Online tracking whose key is missing here, or would not reach the job."""
    if spec.wandb.mode != "online":
        return
    if KEY not in config.secrets:
        why = f"the job logs online and gets no key; add {KEY} to `secrets`, or set wandb.mode=offline"
        yield Problem("skypilot.secrets", config.secrets, why)
        if not has_key(environment):
            yield Problem("wandb", KEY, "is not set here either; https://wandb.ai/authorize shows your key")


def _secret_problems(config: SkypilotJobConfig, environment: Mapping[str, str]) -> Iterator[Problem]:
    """Secrets that are not set here."""
    try:
        secrets_of(config, environment)
    except Refused as refused:
        yield from refused.problems


def _artifact_problems(place: str) -> Iterator[Problem]:
    """A place for results that cannot be written to from here."""
    try:
        require_writable(place)
    except Refused as refused:
        yield from refused.problems
