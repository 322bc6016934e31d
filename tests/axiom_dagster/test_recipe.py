"""The command line of a recipe of several runs: its exit code says whether its claim holds; none of these trains."""

from collections.abc import Callable
from pathlib import Path

import pytest

from axiom_dagster import Arm, TrainAndEvalSpec, Variants, recipe, set_values


def create(*, quick: bool) -> TrainAndEvalSpec:
    return TrainAndEvalSpec.accept(
        {
            "name": "told",
            "trainer": {"total_timesteps": 1000 if quick else 9000, "curriculum": {"env": {"id": "CartPole-v1"}}},
        }
    )


PATH = "kwargs.sutton_barto_reward"
LEVELS = {"levels": {"levels": [{"buckets": {PATH: [0, 1]}, "until_progress": 0.5}, {"buckets": {PATH: [1]}}]}}


def runs(spec: TrainAndEvalSpec) -> dict[str, TrainAndEvalSpec]:
    swapped = {"compute_advantage": {"vtrace": {"rho_clip": 2.0}}}
    return {
        "plain": spec,
        "slower": set_values(spec, ["trainer.optimizer.learning_rate=0.001"]),
        "again": set_values(spec, ["controls.seed=5"]),
        "watched": set_values(spec, ["trainer.monitors.target.solved={value: 9, window: 3}"]),
        "taught": TrainAndEvalSpec.accept({**spec.plain(), "overrides": {"curriculum": LEVELS}}),
        "swapped": TrainAndEvalSpec.accept({**spec.plain(), "overrides": swapped}),
        "nowhere": TrainAndEvalSpec.accept(
            {**spec.plain(), "overrides": {"compute_loss": {"imported": {"target": "no_such_module_here:f"}}}}
        ),
    }


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))

    def run(main: Callable[[TrainAndEvalSpec], None], *words: str) -> int:
        with pytest.raises(SystemExit) as end:
            recipe(create, runs, main, words)
        return int(end.value.code or 0)

    return run


def not_called(spec: TrainAndEvalSpec) -> None:
    raise RuntimeError(f"{spec.name} was to be shown only")


def test_the_recipe_is_given_the_spec_that_the_options_make(ended: Callable[..., int]) -> None:
    seen = list[TrainAndEvalSpec]()
    assert ended(seen.append) == 0
    assert ended(seen.append, "--quick", "--set", "controls.seed=3", "--set=trainer.ppo.gamma=0.9") == 0
    assert [spec.trainer.total_timesteps for spec in seen] == [9000, 1000]
    assert (seen[1].controls.seed, seen[1].trainer.ppo.gamma) == (3, 0.9)


def test_a_claim_that_does_not_hold_ends_with_one(ended: Callable[..., int], capsys) -> None:
    def main(spec: TrainAndEvalSpec) -> None:
        assert spec.controls.seed, "seed 0 is not another seed"

    assert ended(main) == 1
    assert "does not hold here: seed 0 is not another seed" in capsys.readouterr().err
    assert ended(main, "--set=controls.seed=1") == 0


@pytest.mark.parametrize("word", ["--set=controls.sed=1", "--set=trainer.curriculum.env.id=NoSuchGame-v0"])
def test_what_the_first_run_cannot_take_ends_with_two_and_nothing_is_made(
    ended: Callable[..., int], tmp_path: Path, capsys, word: str
) -> None:
    assert ended(not_called, word) == 2
    assert "refused: " in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_every_run_is_shown_with_what_differs_and_what_would_be_refused(
    ended: Callable[..., int], tmp_path: Path, capsys
) -> None:
    assert ended(not_called, "--no-launch") == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in (
        "plain 16,384 - slower 16,384 trainer.optimizer.learning_rate: 0.002 → 0.001",
        "again 16,384 controls.seed: 0 → 5",
        "swapped 16,384 train.compute_advantage: none → vtrace(rho_clip=2.0, c_clip=1.0)",
        "nowhere 16,384 refused: target = 'no_such_module_here:f'",
        "watched 16,384 trainer.monitors.target.solved: none → given taught",
        "taught 16,384 train.curriculum: none → levels(levels=[{buckets: {kwargs.sutton_barto_reward: [0, 1]}, "
        "until_progress: 0.5, episodes: 20}, {buckets: {kwargs.sutton_barto_reward: [1]}, episodes: 20}])",
        "7 runs on this machine, 114,688 agent-steps in all; nothing was run",
    ):
        assert words in shown
    assert not (tmp_path / "home").exists()


def test_of_variants_the_options_change_what_all_of_them_share(ended: Callable[..., int], capsys) -> None:
    def declared(*, quick: bool) -> Variants:
        return Variants(name="many", base=create(quick=quick), arms={"a": Arm(), "b": Arm(seeds=(7,))}, seeds=(1, 2))

    def each(variants: Variants) -> dict[str, TrainAndEvalSpec]:
        return {f"{run.variant}_{run.seed}": run.spec for run in variants.runs()}

    seen = list[Variants]()
    for words in (["--quick", "--set=trainer.ppo.gamma=0.9"], ["--no-launch"]):
        with pytest.raises(SystemExit) as end:
            recipe(declared, each, seen.append, words)
        assert end.value.code == 0
    (given,) = seen
    assert {(run.spec.trainer.total_timesteps, run.spec.trainer.ppo.gamma) for run in given.runs()} == {(1000, 0.9)}
    assert [(run.variant, run.seed) for run in given.runs()] == [("a", 1), ("a", 2), ("b", 7)]
    shown = " ".join(capsys.readouterr().out.split())
    assert "a_1 16,384 - a_2 16,384 controls.seed: 1 → 2 b_7 16,384 controls.seed: 1 → 7" in shown
