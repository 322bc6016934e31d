"""The quick start: a small experiment from its spec to its manifest. `python cookbook/quick_start.py`."""

from axiom_dagster import TrainAndEvalExperiment, TrainAndEvalSpec, create_quick_experiment


def create() -> TrainAndEvalSpec:
    """The spec; `axiom run cookbook/quick_start.py --set trainer.total_timesteps=8192` runs it with a changed value."""
    return create_quick_experiment(name="quick_start", description="Does a small arena teach an agent anything?")


def main() -> None:
    """Train, evaluate, analyze, and read the result."""
    # 1. The spec holds everything that defines the experiment: it is frozen, and its hash names it.
    spec = create()
    print(f"{spec.name}: {spec.trainer.total_timesteps:,} agent-steps, {spec.spec_hash}")

    # 2. The experiment runs the spec as a job on the same Dagster instance that the UI shows.
    experiment = TrainAndEvalExperiment(spec)

    # 3. Everything is checked before anything is made.
    experiment.prepare()

    # 4. The run's stages train, evaluate, analyze; the handle that comes back can be asked at any time.
    result = experiment.run("quick_start")
    print(f"{result.instance_name} {result.status}")

    # 5. The manifest is the full record: spec, seeds, packages, code, digests, results.
    manifest = result.manifest()
    print(f"Final reward: {manifest['eval_results']['arena/basic']['mean_reward']:.3f}")
    print(f"Random policy: {manifest['eval_results']['arena/basic']['random_reward']['mean']:.3f}")


if __name__ == "__main__":
    main()
