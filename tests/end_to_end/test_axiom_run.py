"""`axiom run` as a person types it: a result, a failure, an interrupt."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_a_recipe_runs_to_its_summary_from_any_directory(home: Any, tiny: Callable[..., Any], tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.py"
    recipe.write_text(f"from axiom_dagster import TrainAndEvalSpec\nspec = TrainAndEvalSpec.accept({tiny('mine')!r})\n")
    done = home.run("axiom", "run", "recipe.py", "--set", "controls.seed=5", "--tag", "first", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    answer = json.loads(done.stdout)
    assert (answer["status"], answer["error"]) == ("succeeded", None)
    assert answer["manifest"] == home.manifests("mine")[0]
    assert answer["manifest"]["spec"]["controls"]["seed"] == 5
    assert Path(answer["plot"]).read_bytes().startswith(b"\x89PNG")
    for words in ("train 2,048/2,048 (100%)", "arena/combat", "intervals", answer["plot"], answer["directory"]):
        assert words in done.stderr
    for noise in ("dagster - ", "alembic", "Warning"):
        assert noise not in done.stderr
    assert not (tmp_path / ".axiom").exists()


def test_a_run_that_fails_ends_with_one_and_its_reason(home: Any, tiny: Callable[..., Any], tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(tiny("failing", simulation={"num_episodes": 2, "replay_dir": f"{blocked}/replays"})))
    done = home.run("axiom", "run", str(spec), "--json")

    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert answer["status"] == "failed"
    assert "NotADirectoryError" in answer["error"] or "Not a directory" in answer["error"]
    assert answer["manifest"]["status"] == "failed"


def test_an_interrupt_cancels_the_run_and_stops_the_trainer(
    home: Any, tiny: Callable[..., Any], wait_for: Callable[..., Any], tmp_path: Path
) -> None:
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(tiny("long", total_timesteps=100_000_000)))
    with (tmp_path / "out").open("w+") as out:
        process = home.start("axiom", "run", str(spec), "--json", stdout=out, stderr=out)
        metrics = wait_for(lambda: list(home.path.glob("runs/long-*/train/metrics.jsonl")))[0]
        wait_for(metrics.read_text)
        assert home.trainers()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 1, (tmp_path / "out").read_text()
    answer = json.loads((tmp_path / "out").read_text().splitlines()[-1])
    assert answer["status"] == "cancelled"
    assert home.trainers() == []
