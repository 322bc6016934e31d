"""What is missing before a launch is told at once, and what is there is left as it was."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from resources.skypilot.job_config import SkypilotJobConfig
from resources.skypilot.preflight import require_ready
from resources.skypilot.remote import SkyPilotError
from tests.resources.skypilot.fake_skypilot import FakeSkyPilot
from trainer.contract import Refused, TrainAndEvalSpec, create_quick_experiment

QUICK = create_quick_experiment()
ONLINE = create_quick_experiment(wandb={"mode": "online"})


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=Someone", "-c", "user.email=someone@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A checkout that is clean and pushed."""
    folder, remote = tmp_path / "code", tmp_path / "remote"
    for path in (folder, remote):
        path.mkdir()
    git(remote, "init", "--bare")
    git(folder, "init", "--initial-branch=main")
    (folder / "code.py").write_text("x = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    git(folder, "remote", "add", "origin", str(remote))
    git(folder, "push", "-u", "origin", "main")
    return folder


def problems(
    sky: Any, code: Path, spec: TrainAndEvalSpec = QUICK, environment: dict[str, str] | None = None, **config: Any
) -> dict[str, str]:
    """The paths of all that is refused, with the reasons."""
    try:
        require_ready([(spec, SkypilotJobConfig(**config))], sky, code=code, environment=environment or {})
    except Refused as refused:
        return {problem.path: str(problem) for problem in refused.problems}
    return {}


def test_where_nothing_is_missing_nothing_is_refused(sky: FakeSkyPilot, code: Path, tmp_path: Path) -> None:
    assert problems(sky, code) == {}
    key = {"WANDB_API_KEY": "k" * 40}
    assert problems(sky, code, ONLINE, key, secrets=("WANDB_API_KEY",), artifacts=str(tmp_path / "new/results")) == {}
    assert sky.launches == 0


def test_everything_that_is_missing_is_told_at_once(code: Path, tmp_path: Path) -> None:
    class NoSky:
        def enabled_infra(self) -> list[str]:
            raise SkyPilotError("sky check", "nothing is enabled", "run `sky check`")

    (code / "code.py").write_text("x = 2\n")
    (tmp_path / "file").write_text("")
    found = problems(NoSky(), code, ONLINE, secrets=("HF_TOKEN",), artifacts=str(tmp_path / "file"))
    assert set(found) == {"git", "skypilot", "skypilot.secrets", "skypilot.artifacts", "wandb"}
    assert "nothing is enabled; run `sky check`" in found["skypilot"]


def test_code_that_is_not_committed_is_named(sky: FakeSkyPilot, code: Path) -> None:
    for number in range(7):
        (code / f"new{number}.py").write_text("")
    assert "new0.py, new1.py" in problems(sky, code)["git"]
    assert "and 2 more" in problems(sky, code)["git"]
    assert problems(sky, code, git_check=False) == {}


def test_a_commit_that_was_not_pushed_is_refused(sky: FakeSkyPilot, code: Path) -> None:
    git(code, "commit", "--allow-empty", "-m", "second")
    assert "`git push` 'main'" in problems(sky, code)["git"]
    git(code, "push")
    assert problems(sky, code) == {}


def test_code_outside_of_git_is_refused(sky: FakeSkyPilot, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert "is in no git checkout" in problems(sky, tmp_path / "plain")["git"]


@pytest.mark.parametrize(
    ("infra", "fine"),
    [("slurm", True), ("slurm/here", True), ("", True), ("*", True), ("aws", False), ("aws/us-east-1", False)],
)
def test_infrastructure_that_is_not_enabled_is_refused(sky: FakeSkyPilot, code: Path, infra: str, fine: bool) -> None:
    found = problems(sky, code, infra=infra)
    assert (found == {}) is fine
    if not fine:
        assert "is not enabled, slurm/here is; `sky check aws`" in found["skypilot.infra"]


def test_skypilot_that_may_use_nothing_is_refused(sky: FakeSkyPilot, code: Path) -> None:
    sky.infra = []
    assert "`sky check` says what each one lacks" in problems(sky, code)["skypilot"]


def test_a_key_that_would_not_travel_is_refused(sky: FakeSkyPilot, code: Path, tmp_path: Path) -> None:
    key = {"WANDB_API_KEY": "k" * 40}
    assert set(problems(sky, code, ONLINE, key)) == {"skypilot.secrets"}
    assert set(problems(sky, code, ONLINE, {"HOME": str(tmp_path)})) == {"skypilot.secrets", "wandb"}
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password key\n")
    assert set(problems(sky, code, ONLINE, {"HOME": str(tmp_path)})) == {"skypilot.secrets"}
    assert problems(sky, code, QUICK) == {}


def test_a_budget_below_the_worst_case_is_refused(sky: FakeSkyPilot, code: Path) -> None:
    sky.hourly_dollars = 2.0
    config = {"max_runtime_minutes": 60, "nodes": 2}
    assert problems(sky, code, budget_dollars=4.0, **config) == {}
    assert "may cost $4.00" in problems(sky, code, budget_dollars=3.0, **config)["skypilot.budget_dollars"]


def test_the_same_lack_of_many_jobs_is_told_once(sky: FakeSkyPilot, code: Path) -> None:
    (code / "code.py").write_text("x = 2\n")
    config = SkypilotJobConfig(secrets=("HF_TOKEN",))
    with pytest.raises(Refused) as refused:
        require_ready([(QUICK, config)] * 3, sky, code=code, environment={})
    assert [problem.path for problem in refused.value.problems] == ["git", "skypilot.secrets"]
