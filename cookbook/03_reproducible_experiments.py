"""Is the same spec the same experiment? Save it, load it, run it again, and hold the bits against each other.

python cookbook/03_reproducible_experiments.py --quick
python cookbook/03_reproducible_experiments.py --no-launch

A spec says all that defines an experiment, and a manifest all that came of it. So five questions have exact answers:

1. Is the file the experiment?     A spec that was saved and loaded has the same hash.
2. Does it repeat?                 `replay` runs the spec once more, elsewhere: the same weights, the same episodes.
3. Are these still the bits?       `verify` trains beside the record, and compares every tensor of every update.
4. What was different?             `diff` names the values of the spec that differ, and what came of it.
5. From when on did it matter?     `verify` with that value says in which update the bits part, and where first.

Common pitfalls:

- A seed is not enough. Packages, threads, device and code count as well; manifests have them, and `diff` shows them.
- Equal rewards prove nothing: two different policies can earn the same. Compare digests of weights.
- A spec that was changed after the run is another spec. The run's own is in its manifest and in its `run.yaml`.
- A run with a function of this process (a lambda) cannot be replayed: only what can be imported is kept with the run.
- Times and paces differ between two runs of the same bits. They are results of the machine, not of the spec.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from axiom_dagster import (
    InProcessCompute,
    LocalCompute,
    RunHandle,
    TrainAndEvalExperiment,
    TrainAndEvalSpec,
    load_experiment_spec,
    recipe,
    save_experiment_spec,
    set_values,
)


def create(quick: bool = False) -> TrainAndEvalSpec:
    """CartPole, with every number that matters in it."""
    return TrainAndEvalSpec.accept(
        {
            "name": "reproducible",
            "description": "Does the same spec give the same bits?",
            "controls": {"seed": 7},
            "trainer": {
                "total_timesteps": 8_192 if quick else 65_536,
                "batch_size": 1024,
                "minibatch_size": 256,
                "num_envs": 8,
                "curriculum": {"env": {"id": "CartPole-v1"}},
                "optimizer": {"learning_rate": 1e-3},
                "simulation": {"num_episodes": 20},
            },
            "wandb": {"mode": "disabled"},
        }
    )


def runs(spec: TrainAndEvalSpec) -> dict[str, TrainAndEvalSpec]:
    """The original, its repetition, and one with a single value changed."""
    slower = f"trainer.optimizer.learning_rate={spec.trainer.optimizer.learning_rate / 2}"
    return {"original": spec, "replay": spec, "slower": set_values(spec, [slower])}


def main(spec: TrainAndEvalSpec) -> None:
    """Ask the five questions, and hold each answer to what the manifests say."""
    print("\n1. Is the file the experiment?")
    loaded = through_a_file(spec)
    print(f"  spec {beginning(spec.spec_hash)}, saved and loaded {beginning(loaded.spec_hash)}")
    assert loaded.spec_hash == spec.spec_hash, "a spec changed on its way through a file"

    print("\n2. Does it repeat?")
    arms = runs(loaded)
    original = TrainAndEvalExperiment(arms["original"]).run("original", compute=LocalCompute())
    again = original.replay("replay", compute=InProcessCompute())
    for run in (original, again):
        assert run.status == "succeeded", f"{run.instance_name} {run.status}: {run.error}"
        print(f"  {run.tags['axiom/tag']:<9} {beginning(run.read('train').weights_digest)}   {episodes(run)}")
    assert again.read("train").weights_digest == original.read("train").weights_digest, "other weights"
    assert again.read("evaluate").eval_results == original.read("evaluate").eval_results, "other episodes"

    print("\n3. Are these still the bits?")
    verification = original.verify()
    print(f"  {next(verification.lines())}")
    assert verification.bits_identical, "the record cannot be repeated"

    print("\n4. What was different?")
    slower = TrainAndEvalExperiment(arms["slower"]).run("slower", compute=InProcessCompute())
    difference = original.diff(slower)
    for change in (*difference.conditions, *difference.results):
        print(f"  {change}")
    changed = [change.path for change in difference.spec]
    assert changed == ["trainer.optimizer.learning_rate"], f"one value was changed, and these differ: {changed}"
    assert "weights_digest" in [change.path for change in difference.results], "half the step gave the same weights"

    print("\n5. From when on did it matter?")
    parted = original.verify(values={changed[0]: arms["slower"].trainer.optimizer.learning_rate})
    print(f"  {next(parted.lines())}")
    assert parted.divergence is not None and parted.divergence.update == 1, "the first step is already half as long"

    print(f"\nThe same spec gave the same bits in all {verification.updates} updates, three times over.")
    print(f"{changed[0]} alone led elsewhere, from {parted.divergence.tensor} of update 1 on.")


def through_a_file(spec: TrainAndEvalSpec) -> TrainAndEvalSpec:
    """The spec as a colleague gets it: written to YAML, read again."""
    with TemporaryDirectory() as folder:
        return load_experiment_spec(save_experiment_spec(spec, Path(folder) / f"{spec.name}.yaml"))


def episodes(run: RunHandle) -> str:
    """What the first three episodes of the evaluation earned."""
    (result,) = run.read("evaluate").eval_results.values()
    first = ", ".join(f"{episode.reward:g}" for episode in result.episodes[:3])
    return f"episodes {first}, … ({len(result.episodes)} of them)"


def beginning(digest: str | None) -> str:
    """The first digits of a digest, for people."""
    return str(digest)[:19]


if __name__ == "__main__":
    recipe(create, runs, main)
