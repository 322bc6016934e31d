"""The comparison of an experiment: which runs count, what is paired, what is refused, and what the asset leaves."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import fake_trainer
import pytest

from assets.compare import compare_asset
from assets.report.comparison import compared
from assets.report.comparison_figures import figures_of
from assets.report.comparison_runs import runs_of
from assets.report.experiment import Wanted, compared_runs
from resources.manifest_store import ManifestStore
from trainer.contract import Refused, RunDirectory, TrainAndEvalSpec, begin_run, read_manifest

GAMMA: Mapping[str, Any] = {"trainer": {"ppo": {"gamma": 0.9}}}


AB = [(variant, seed) for seed in (1, 2, 3, 4) for variant in ("base", "low")]
LOWER_BY = (5.0, 5.5, 4.5, 5.2)


def made(run: RunDirectory, seed: int, reward: float | None, fields: Mapping[str, Any] | None = None) -> None:
    """A run of the fake trainer that ended with this reward; none: its training failed."""
    begin_run(TrainAndEvalSpec.accept({"name": "ab", "controls": {"seed": seed}, **(fields or {})}), run)
    fake_trainer.run_stage("train", run, fake_trainer.Words(None))
    if reward is None:
        failed = {"status": "failed", "error": "RuntimeError: the loss is gone"}
        read_manifest(run.manifest_file("train")).model_copy(update=failed).write(run)
        return
    fake_trainer.run_stage("evaluate", run, fake_trainer.Words(None))
    manifest = read_manifest(run.manifest_file("evaluate"))
    results = {n: e.model_copy(update={"mean_reward": reward}) for n, e in manifest.eval_results.items()}
    manifest.model_copy(update={"eval_results": results}).write(run)


@pytest.fixture(scope="module")
def ab_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two variants of four seeds, of which the second is worse by about five."""
    runs = tmp_path_factory.mktemp("runs")
    for number, (variant, seed) in enumerate(AB):
        worse = variant == "low"
        reward = 10.0 * seed - LOWER_BY[seed - 1] * worse
        made(RunDirectory(runs / f"ab-{number:06d}"), seed, reward, GAMMA if worse else None)
    return runs


class Experiment:
    """Runs tagged as real ones are; those of `ab` are made once and copied."""

    def __init__(self, instance: dg.DagsterInstance, home: Path, ab_runs: Path) -> None:
        self.instance, self.runs, self.ab_runs = instance, home / "runs", ab_runs

    def add(self, variant: str, seed: int, reward: float | None, fields: Mapping[str, Any] | None = None) -> str:
        """One more run; its name."""
        name = f"ab-{len(list(self.runs.glob('*'))):06d}"
        made(RunDirectory(self.runs / name), seed, reward, fields)
        self.tag(variant, seed, name)
        return name

    def tag(self, variant: str, seed: int, name: str) -> None:
        """Dagster's record of a run."""
        tags = {"axiom/experiment": "ab", "axiom/variant": variant, "axiom/seed": str(seed)}
        self.instance.add_run(dg.DagsterRun("train_and_eval", tags={**tags, "axiom/instance_name": name}))

    def ab(self) -> "Experiment":
        """The two variants, all of them ended."""
        shutil.copytree(self.ab_runs, self.runs)
        for number, (variant, seed) in enumerate(AB):
            self.tag(variant, seed, f"ab-{number:06d}")
        return self

    def compared(self, **wanted: Any):
        return compared_runs(self.instance, self.runs, Wanted("ab", **wanted))[1]


@pytest.fixture
def experiment(instance: dg.DagsterInstance, home: Path, ab_runs: Path) -> Experiment:
    return Experiment(instance, home, ab_runs)


def test_an_arm_that_is_worse_by_seed_is_called_worse_however_far_seeds_are_apart(experiment: Experiment) -> None:
    found = experiment.ab().compared()
    (against,) = found.against
    assert (against.arm, against.simulation, against.verdict.word) == ("low", "arena/basic", "worse")
    assert against.contrast.paired and against.contrast.difference.value == pytest.approx(-5.05)
    assert [change.path for change in found.arms[1].factors] == ["trainer.ppo.gamma"]
    assert found.baseline == "base" and found.notes == []


def test_another_baseline_turns_the_verdict_round(experiment: Experiment) -> None:
    found = experiment.ab().compared(baseline="low")
    assert [(each.arm, each.verdict.word) for each in found.against] == [("base", "better")]
    with pytest.raises(Refused, match="no run is of this variant; did you mean 'low'"):
        experiment.compared(baseline="lwo")


def test_a_comparison_is_plain_data_and_the_same_every_time(experiment: Experiment) -> None:
    one, other = experiment.ab().compared(), experiment.compared()
    assert json.dumps(one.plain(), allow_nan=False) == json.dumps(other.plain())
    assert one.plain()["against"][0]["verdict"]["word"] == "worse"
    assert one.plain()["scores"][0]["scores"] == {"1": 10.0, "2": 20.0, "3": 30.0, "4": 40.0}


def test_the_same_variant_twice_with_other_seeds_is_inconclusive(experiment: Experiment) -> None:
    for seed, reward in enumerate((10.0, 12.0, 9.0, 11.0, 13.0, 8.0)):
        experiment.add("a" if seed % 2 else "b", seed, reward)
    found = experiment.compared()
    (against,) = found.against
    assert (against.verdict.word, against.contrast.paired) == ("inconclusive", False)
    assert any("Welch's test" in note for note in found.notes)
    assert found.arms[1].factors == ()


def test_a_failed_run_a_missing_one_and_a_seed_without_a_partner_are_told(experiment: Experiment) -> None:
    experiment.ab()
    experiment.add("low", 5, None, GAMMA)
    experiment.add("base", 6, 60.0)
    experiment.tag("low", 7, "ab-not-begun")
    found = experiment.compared()
    assert found.against[0].contrast.difference.count == 4
    notes = " ".join(found.notes)
    assert "ab-000008: its training failed: RuntimeError: the loss is gone." in notes
    assert "low, seed 7 (ab-not-begun) has not begun: not_started." in notes
    assert "only one of base and low has seed 6: it is in that one's mean and not in the difference." in notes


def test_a_training_that_failed_does_not_cut_the_curve_of_its_variant_off(experiment: Experiment) -> None:
    failed = experiment.ab().add("low", 5, None, GAMMA)
    found, comparison = compared_runs(experiment.instance, experiment.runs, Wanted("ab"))
    (curves,) = [each for each in figures_of(comparison, found.variants) if each.picture.name == "learning_curves"]
    assert curves.notes == (f"{failed} did not train to its end and has no curve.",)
    assert "base ends at 5.5 [3.446, 7.554]; low ends at 5.5 [3.446, 7.554]" in curves.picture.alt


def test_of_several_runs_of_a_seed_the_newest_that_succeeded_counts(experiment: Experiment) -> None:
    experiment.ab()
    second = experiment.add("base", 1, 99.0)
    experiment.add("base", 1, None)
    found = experiment.compared()
    assert found.scores[0].scores[1] == 99.0
    assert f"base, seed 1: 3 runs; {second} counts, the newest that succeeded." in found.notes


def test_runs_of_one_variant_with_other_specs_are_told(experiment: Experiment) -> None:
    experiment.ab().add("low", 9, 1.0, {"trainer": {"ppo": {"gamma": 0.8}}})
    assert any("low: its runs are of different specs" in note for note in experiment.compared().notes)


def test_an_arm_of_two_factors_is_refused_unless_asked_for(experiment: Experiment) -> None:
    experiment.add("base", 1, 1.0)
    experiment.add("both", 1, 2.0, {"trainer": {"ppo": {"gamma": 0.9, "gae_lambda": 0.9}}})
    with pytest.raises(
        Refused, match=r"both = 'trainer.ppo.gae_lambda, trainer.ppo.gamma': 2 factors differ from base"
    ):
        experiment.compared()
    assert len(experiment.compared(single_factor=False).arms[1].factors) == 2


def test_a_grid_is_no_confusion_of_factors_and_shows_the_effect_of_each(experiment: Experiment) -> None:
    for gamma in (0.99, 0.9):
        for weight in (0.95, 0.8):
            for seed in (1, 2, 3):
                fields = {"trainer": {"ppo": {"gamma": gamma, "gae_lambda": weight}}}
                reward = seed - 4.0 * (gamma == 0.9) + 0.1 * seed * (weight == 0.8)
                experiment.add(f"{gamma}-{weight}", seed, reward, fields)
    found = experiment.compared()
    effects = {effect.factor: effect for _, effect in found.effects}
    assert effects["trainer.ppo.gamma"].estimate.value == pytest.approx(-4.0)
    assert effects["trainer.ppo.gae_lambda"].estimate.value == pytest.approx(0.2)
    assert effects["trainer.ppo.gae_lambda"].estimate.low == pytest.approx(0.2 - 4.3027 * 0.1 / 3**0.5, abs=1e-4)


def test_numbers_of_the_training_are_compared_too_and_a_metric_that_no_run_reports_is_refused(
    experiment: Experiment,
) -> None:
    found = experiment.ab().compared(metric="steps_per_second")
    assert [(each.simulation, each.mean.value) for each in found.scores] == [("training", 300.0), ("training", 300.0)]
    assert found.against[0].verdict.word == "inconclusive" and "every difference is 0" in found.against[0].verdict.why
    with pytest.raises(Refused, match="no run reports it; did you mean 'reward'"):
        experiment.compared(metric="rewrad")


@pytest.mark.parametrize("level", [0.0, 1.5, float("nan")])
def test_a_level_that_is_no_chance_is_refused(level: float, experiment: Experiment) -> None:
    with pytest.raises(Refused, match="the chance of a false claim"):
        experiment.ab().compared(level=level)


def test_an_experiment_that_is_not_there_or_has_not_begun_is_refused(experiment: Experiment) -> None:
    experiment.tag("base", 1, "ab-not-begun")
    with pytest.raises(Refused, match="did you mean 'ab'"):
        runs_of(experiment.instance, experiment.runs, "abc")
    with pytest.raises(Refused, match=r"none of its 1 runs can be compared: base, seed 1 .ab-not-begun. has not begun"):
        experiment.compared()


def test_a_run_whose_record_is_damaged_is_left_out_aloud(experiment: Experiment) -> None:
    damaged = experiment.ab().add("low", 5, 1.0, GAMMA)
    RunDirectory(experiment.runs / damaged).manifest_file("train").write_text("{")
    found = experiment.compared()
    assert found.against[0].contrast.difference.count == 4
    assert any(note.startswith(f"{damaged} is left out, it cannot be read: ") for note in found.notes)


def test_every_figure_says_in_words_what_is_seen(experiment: Experiment) -> None:
    found, comparison = compared_runs(experiment.ab().instance, experiment.runs, Wanted("ab"))
    shown = {each.picture.name: each.picture for each in figures_of(comparison, found.variants)}
    assert list(shown) == ["differences", "improvement", "learning_curves", "performance_profile"]
    assert "low -5.05 [-5.72, -4.38]" in shown["differences"].alt


def test_the_asset_leaves_verdicts_tables_pictures_and_the_page(experiment: Experiment, home: Path) -> None:
    config = {"ops": {"compare": {"config": {"experiment": "ab"}}}}
    upstream = dg.AssetSpec("analyze")
    result = dg.materialize(
        [upstream, compare_asset()],
        instance=experiment.ab().instance,
        resources={"manifests": ManifestStore()},
        run_config=config,
    )
    ((found,),) = [result.asset_materializations_for_node("compare")]
    assert "low is worse than base" in found.metadata["verdict"].value
    assert found.metadata["arena/basic/low/difference"].value == pytest.approx(-5.05)
    assert found.metadata["differences"].value.startswith("![differences](data:image/png;base64,")
    assert found.metadata["comparison"].value["baseline"] == "base"
    page = Path(found.metadata["report"].value).read_text()
    assert "axiom compare ab" in page and "low is worse than base" in page
    assert Path(found.metadata["report"].value) == home / "reports" / "ab-compare.html"


def test_the_asset_refuses_an_unknown_experiment_with_those_that_are_there(experiment: Experiment) -> None:
    result = dg.materialize(
        [dg.AssetSpec("analyze"), compare_asset()],
        instance=experiment.ab().instance,
        resources={"manifests": ManifestStore()},
        run_config={"ops": {"compare": {"config": {"experiment": "nothing"}}}},
        raise_on_error=False,
    )
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert "experiment = 'nothing': no run has it; allowed: ab" in (failure.user_failure_data.description or "")


def test_one_variant_is_shown_and_nothing_is_claimed(experiment: Experiment) -> None:
    experiment.add("base", 1, 3.0)
    found, comparison = compared_runs(experiment.instance, experiment.runs, Wanted("ab"))
    assert comparison.against == [] and comparison.scores[0].mean.low is None
    assert compared("ab", found.variants).plain()["against"] == []
