"""Lists of runs: found by Dagster's records alone, filtered, and no manifest opened that is not shown."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import dagster as dg
import pytest
from rich.console import Console
from typer.testing import CliRunner

from axiom_dagster import Refused, RunHandle
from axiom_dagster.cli.app import app
from axiom_dagster.cli.runs_table import show_table
from axiom_dagster.listing import Line, Wanted, in_order, lines
from resources.home import dagster_instance
from resources.manifest_store import INSTANCE_NAME_TAG
from trainer.contract import Episode, Interval, Manifest, RunDirectory, SimulationResult

STATUSES = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.NOT_STARTED)
SIZE = 12


def begin(instance: dg.DagsterInstance, home: Path, number: int) -> str:
    """A run with its tags and the manifests of two stages."""
    run_id = f"{number:06x}00-0000-4000-8000-000000000000"
    name = f"run_{number % 2}-20260101-000000-{run_id[:6]}"
    tags = {
        INSTANCE_NAME_TAG: name,
        "axiom/experiment": f"run_{number % 2}",
        "axiom/seed": str(number % 3),
        "axiom/variant": f"vtrace-{number}",
        "axiom/tag": "fast" if number % 4 == 0 else "slow",
        "axiom/overrides": "train.compute_advantage=vtrace" if number % 6 == 0 else "none",
    }
    instance.add_run(dg.DagsterRun("train_and_eval", run_id=run_id, status=STATUSES[number % 3], tags=tags))
    for stage in ("evaluate", "analyze"):
        manifest(stage, name, float(number)).write(RunDirectory(home / "runs" / name))
    return name


def manifest(stage, name: str, reward: float) -> Manifest:
    interval, now = Interval(mean=reward, low=reward, high=reward), datetime.now(UTC)
    episodes = (Episode(seed=1, reward=reward, length=1),)
    result = SimulationResult(
        mean_reward=reward, reward=interval, random_reward=interval, episodes=episodes, random_episodes=episodes
    )
    common = {"instance_name": name, "status": "succeeded", "started_at": now, "ended_at": now}
    return Manifest(stage=stage, spec={}, spec_hash="sha256:0", eval_results={"arena/basic": result}, **common)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve runs."""
    home = tmp_path_factory.mktemp("listed")
    with dagster_instance(home) as instance:
        for number in range(SIZE):
            begin(instance, home, number)
    return home


@pytest.fixture
def instance(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("AXIOM_HOME", str(home))
    with dagster_instance(home) as instance:
        yield instance


def numbers(found) -> list[int]:
    """Which runs, by the rewards that their lines tell."""
    return [int(line.mean_reward["arena/basic"]) for line in found]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), list(range(SIZE))),
        (Wanted(experiment="run_1"), [1, 3, 5, 7, 9, 11]),
        (Wanted(seed=0), [0, 3, 6, 9]),
        (Wanted(status="failed"), [1, 4, 7, 10]),
        (Wanted(status="queued"), [2, 5, 8, 11]),
        (Wanted(status="cancelled"), []),
        (Wanted(tags={"axiom/tag": "fast"}), [0, 4, 8]),
        (Wanted(experiment="run_0", seed=0, tags={"axiom/overrides": "train.compute_advantage=vtrace"}), [0, 6]),
    ],
    ids=lambda value: "" if isinstance(value, list) else None,
)
def test_runs_are_found_by_what_is_wanted_of_them(instance, wanted, found):
    assert numbers(lines(wanted, instance=instance)) == found[::-1]
    assert numbers(lines(wanted, instance=instance, oldest_first=True, limit=2)) == found[:2]


def test_the_command_takes_the_same_filters(instance):
    words = "--experiment run_0 --seed 0 --tag axiom/overrides=train.compute_advantage=vtrace --tag slow --json"
    result = CliRunner().invoke(app, ["runs", *words.split()])
    (row,) = json.loads(result.stdout)["runs"]
    assert row["run_id"].startswith("000006")
    assert set(row) == {
        *("instance_name", "status", "tag", "created_at", "run_id", "mean_reward"),
        *("experiment", "variant", "seed", "duration_seconds", "steps_per_second"),
    }
    assert (row["experiment"], row["variant"], row["seed"], row["duration_seconds"]) == ("run_0", "vtrace-6", 0, None)
    assert "no such runs" in CliRunner().invoke(app, ["runs", "--status", "cancelled"]).stdout
    assert CliRunner().invoke(app, ["runs", "--status", "lost"]).exit_code == 2


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", [11, 10, 9, 8]),
        ("--reverse", [0, 1, 2, 3]),
        ("--oldest-first", [0, 1, 2, 3]),
        ("--sort reward", [11, 10, 9, 8]),
        ("--sort reward --reverse", [8, 9, 10, 11]),
        ("--sort experiment", [10, 8, 11, 9]),
        ("--sort experiment --reverse", [11, 9, 10, 8]),
        ("--sort status", [10, 11, 8, 9]),
        ("--sort duration", [11, 10, 9, 8]),
    ],
)
def test_the_shown_lines_are_sorted_and_when_they_were_made_orders_all(instance, words, found):
    result = CliRunner().invoke(app, ["runs", "--limit", "4", "--json", *words.split()])
    assert [int(row["mean_reward"]["arena/basic"]) for row in json.loads(result.stdout)["runs"]] == found


def test_what_is_not_known_is_last_whichever_way_runs_are_sorted():
    known = [line(duration_seconds=seconds, mean_reward={"a": seconds, "b": 0.0}) for seconds in (1.0, 3.0, 2.0)]
    unknown = line(duration_seconds=None, mean_reward={})
    for order in ("duration", "reward"):
        longest = in_order([unknown, *known], order)
        assert [each.duration_seconds for each in longest] == [3.0, 2.0, 1.0, None]
        shortest = in_order([unknown, *known], order, reverse=True)
        assert [each.duration_seconds for each in shortest] == [1.0, 2.0, 3.0, None]


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (130, "run status variant seed tag created (UTC) duration steps/s mean reward"),
        (105, "run status variant created (UTC) duration mean reward"),
        (62, "run status mean reward"),
        (50, "run status mean reward"),
    ],
)
def test_a_narrow_terminal_gets_the_columns_that_fit_and_never_half_a_word(width, shown):
    console = Console(file=StringIO(), width=width, force_terminal=True, color_system=None)
    one = line(duration_seconds=61.0, steps_per_second=8000.0, mean_reward={"arena/basic": 1.5})
    show_table([one], console)
    printed = console.file.getvalue()
    header, *rows = printed.splitlines()
    assert header.split() == shown.split()
    assert all(len(row) <= width for row in (header, *rows))
    # A folded name is whole when its pieces are put together.
    assert "".join(row[: header.index("status")].strip() for row in rows) == one.instance_name
    assert "succeeded" in printed


def test_columns_that_are_empty_in_every_line_are_left_out(capsys):
    show_table([line(variant=None, tag=None, seed=None)])
    assert capsys.readouterr().out.splitlines()[0].split() == ["run", "status", "created", "(UTC)"]


def line(**values):
    fields = {
        "instance_name": "run_1-20260101-000000-abcdef",
        "status": "succeeded",
        "tag": "first",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "run_id": "abcdef",
        "experiment": "run_1",
        "variant": "base-123456",
        "seed": 3,
        "duration_seconds": None,
        "steps_per_second": None,
        "mean_reward": {},
    }
    return Line(**{**fields, **values})


def test_a_list_opens_no_more_manifests_than_it_has_lines(home):
    code = (
        "import sys\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, words: opened.append(str(words[0])) if event == 'open' else None)\n"
        "from typer.testing import CliRunner\n"
        "from axiom_dagster.cli.app import app\n"
        "assert CliRunner().invoke(app, ['runs', '--limit', '3', '--tag', 'slow', '--json']).exit_code == 0\n"
        "print(*(name for name in opened if name.endswith('manifest.json')), sep='\\n')\n"
    )
    environment = os.environ | {"AXIOM_HOME": str(home)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    opened = [Path(name).parts[-3].rpartition("-")[2] for name in done.stdout.splitlines()]
    assert opened == ["00000b", "00000a", "000009"]


def test_a_manifest_that_cannot_be_read_leaves_its_line_without_rewards(instance, home):
    name = begin(instance, home, 99)
    (home / "runs" / name / "analyze" / "manifest.json").write_text("{")
    newest, *_ = lines(instance=instance)
    assert (newest.instance_name, newest.mean_reward) == (name, {})
    instance.delete_run(newest.run_id)


def test_a_run_is_found_by_its_name_before_it_begins_and_by_the_beginning_of_its_id(instance):
    for run_id in ("abcdef00-0000-4000-8000-000000000000", "abcdef11-0000-4000-8000-000000000000"):
        config = {"ops": {"train": {"config": {"name": "waiting"}}}}
        instance.add_run(dg.DagsterRun("train_and_eval", run_id=run_id, run_config=config))
    name = RunHandle(run_id, instance).instance_name
    assert name.startswith("waiting-") and name.endswith("-abcdef")
    assert RunHandle.of(name, instance).instance_name == name
    assert RunHandle.of("abcdef11", instance).run_id == run_id
    for unclear in ("abcdef", "no-such", ""):
        with pytest.raises(Refused, match="no run has this name or id"):
            RunHandle.of(unclear, instance)
