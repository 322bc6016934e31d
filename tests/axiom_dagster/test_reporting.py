"""`axiom report` finds runs as other commands do, writes one file whole or not at all, and says why where it cannot."""

import json
import resource
from pathlib import Path

import dagster as dg
import fake_trainer
import pytest
from typer.testing import CliRunner

from axiom_dagster.cli.app import app
from axiom_dagster.reporting import make_report
from trainer.contract import Refused, RunDirectory, begin_run, create_quick_experiment


def begun(home: Path, name: str, seed: int = 1) -> str:
    """A run directory in which the fake trainer has trained; its path."""
    run = RunDirectory(home / "runs" / name)
    begin_run(create_quick_experiment(controls={"seed": seed}), run)
    fake_trainer.run_stage("train", run, fake_trainer.Words(None))
    return str(run.path)


def test_a_run_that_only_trained_has_its_report_in_the_home(home: Path) -> None:
    answered = CliRunner().invoke(app, ["report", begun(home, "quick-1"), "--json"])
    file = home / "reports" / "quick-1.html"
    assert answered.exit_code == 0, answered.output
    assert json.loads(answered.stdout) == {"report": str(file), "size_bytes": file.stat().st_size}
    assert "Not evaluated" in file.read_text()


def test_several_runs_make_a_comparison_with_one_name_in_any_order(home: Path, tmp_path: Path) -> None:
    one, other = begun(home, "quick-1"), begun(home, "quick-2", seed=2)
    file = make_report([one, other])
    assert file == make_report([other, one])
    assert file.name.startswith("comparison-") and file.parent == home / "reports"
    assert "2 runs in 1 variant." in file.read_text()
    assert make_report([one, other], out=tmp_path / "deep" / "mine.html").is_file()


def test_an_experiment_means_all_its_runs_that_have_begun(home: Path, instance: dg.DagsterInstance) -> None:
    for seed in (1, 2):
        begun(home, f"quick-20260101-00000{seed}-abcdef", seed)
        tags = {"axiom/experiment": "quick", "axiom/instance_name": f"quick-20260101-00000{seed}-abcdef"}
        instance.add_run(dg.DagsterRun(job_name="train_and_eval", tags=tags))
    assert make_report([], "quick", instance=instance).name.startswith("quick-")
    with pytest.raises(Refused, match="did you mean 'quick'"):
        make_report([], "quik", instance=instance)


def test_an_unknown_run_is_refused_and_nothing_is_written(home: Path, instance: dg.DagsterInstance) -> None:
    with pytest.raises(Refused, match="no run has this name or id"):
        make_report(["nobody"], instance=instance)
    with pytest.raises(Refused, match="name at least one run"):
        make_report([], instance=instance)
    assert not (home / "reports").exists()


def test_a_place_that_cannot_be_written_is_refused_and_left_as_it_was(home: Path, tmp_path: Path) -> None:
    run = begun(home, "quick-1")
    (tmp_path / "file").write_text("in the way")
    answered = CliRunner().invoke(app, ["report", run, "--out", str(tmp_path / "file" / "report.html")])
    assert answered.exit_code == 2
    assert "cannot be written" in answered.stderr and "--out" in answered.stderr
    with pytest.raises(Refused, match="cannot be written"):
        make_report([run], out=tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "home"]


def test_a_disk_that_takes_no_more_is_refused_and_holds_no_half_of_a_report(home: Path, tmp_path: Path) -> None:
    run, soft_hard = begun(home, "quick-1"), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, soft_hard[1]))
    try:
        with pytest.raises(Refused, match="nothing was left half done"):
            make_report([run], out=tmp_path / "report.html")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft_hard)
    assert [each.name for each in tmp_path.iterdir()] == ["home"]
