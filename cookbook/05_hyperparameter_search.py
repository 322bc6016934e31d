"""Which learning rate, and how many epochs? A search within a budget, and then the question that it cannot answer.

python cookbook/05_hyperparameter_search.py --quick
python cookbook/05_hyperparameter_search.py --no-launch
axiom compare hyperparameters_best --no-single-factor   # the verdict once more, and a page of it

A search tries values until its budget is used, and keeps the best. So three things are to be shown of it, and the third
is forgotten most often:

1. Does it repeat?                  Every decision is in a journal. Who opens it again decides each once more, alike.
2. Is the best spec what was found? `best.yaml`, run by itself, has the weights of its trial, bit for bit.
3. Is it better than the base?      The best of many trials was lucky too, and all had one seed. So base and best run
                                    with seeds that the search never saw, and are compared by pairs.

Common pitfalls:

- The best trial's reward told as the result. It is too high by what luck gave it; more trials make that worse.
- A base that was never searched against a best that was. Give both the same care, or say what was not searched.
- A range whose end the best lies at: what is best may lie beyond it. Look at the picture of the trials.
- A learning rate drawn evenly from 0.0001 to 0.02: then almost all trials are above 0.001. Say `log=True`.
- Trials that are too short. Values that learn fast at first win; what wins later is never seen.
- Another budget after a look at the results. It may grow, and the search goes on as if it had been so from the start.

(`--no-launch` shows the trials that depend on no result, and the base's runs; the best spec has as many of those.)
"""

from typing import Any

from axiom_dagster import (
    BudgetConfig,
    InProcessCompute,
    Range,
    RunHandle,
    SamplerConfig,
    Sweep,
    SweepExperiment,
    TrainAndEvalExperiment,
    TrainAndEvalSpec,
    compare,
    load_experiment_spec,
    recipe,
)

FILE = "05_hyperparameter_search"
SEEDS = (101, 102, 103)
RATE, EPOCHS = "trainer.optimizer.learning_rate", "trainer.ppo.update_epochs"


def create(quick: bool = False) -> TrainAndEvalSpec:
    """CartPole with a learning rate that somebody once wrote down."""
    return TrainAndEvalSpec.accept(
        {
            "name": "hyperparameters_quick" if quick else "hyperparameters",
            "description": "Which learning rate, and how many epochs?",
            "trainer": {
                "total_timesteps": 6_144 if quick else 32_768,
                "batch_size": 512,
                "minibatch_size": 128,
                "num_envs": 8,
                "normalize_rewards": False,
                "curriculum": {"env": {"id": "CartPole-v1"}},
                "optimizer": {"learning_rate": 1e-4, "schedule": "constant"},
                "ppo": {"gamma": 0.98, "gae_lambda": 0.8, "update_epochs": 4, "entropy_coef": 0.0},
                "simulation": {"num_episodes": 12 if quick else 20, "num_replays": 0},
            },
            "agent": {"hidden_sizes": [64, 64]},
            "wandb": {"mode": "disabled"},
            "overrides": {"analyze": {"imported": {"target": f"{FILE}:no_page"}}} if quick else {},
        }
    )


def no_page(_: Any) -> dict[str, str]:
    """In the place of each run's own page: with `--quick` only the search and the comparison are looked at."""
    return {}


def search_of(base: TrainAndEvalSpec) -> Sweep:
    """What is searched, how, and for how long: TPE learns from the trials that the budget allows."""
    quick = base.name.endswith("_quick")
    return Sweep(
        name=f"{base.name}_search",
        description=base.description,
        base=base,
        space={RATE: Range(low=1e-4, high=2e-2, log=True), EPOCHS: Range(low=1, high=6)},
        sampler=SamplerConfig(type="tpe", startup_trials=2 if quick else 5),
        budget=BudgetConfig(runs=3 if quick else 16),
    )


def runs(base: TrainAndEvalSpec) -> dict[str, TrainAndEvalSpec]:
    """The base with each seed of the verdict, and the first trials of the search."""
    sweep = search_of(base)
    trials = SweepExperiment(sweep).first_trials()
    first = {name.replace("-", "_"): sweep.spec(params) for name, params in trials.items()}
    return {**{f"base_{seed}": seeded(base, seed) for seed in SEEDS}, **first}


def main(base: TrainAndEvalSpec) -> None:
    """Search, hold the search to what it recorded, and ask of its best what a search cannot say."""
    experiment = SweepExperiment(search_of(base))
    print(f"\nThe search, of {experiment.sweep.budget.runs} trials:")
    search = experiment.run(compute=InProcessCompute())
    for trial in search.trials:
        print(f"  {trial.name}   {described(trial.params)}   reward {trial.value or 0.0:6.1f}")
    assert search.best is not None, f"no trial succeeded: {search.stopped}"

    print("\n1. Does it repeat?")
    journal = experiment.folder / "journal.jsonl"
    before = journal.read_bytes()
    again = experiment.run()
    assert [trial.params for trial in again.trials] == [trial.params for trial in search.trials], "other decisions"
    assert journal.read_bytes() == before, "a search that has ended wrote more"
    print(f"  {len(before.splitlines())} lines of the journal, each decided once more and alike")

    print("\n2. Is the best spec what was found?")
    found = load_experiment_spec(experiment.folder / "best.yaml")
    once_more = run(found, "best_alone")
    assert search.best.ended is not None
    weights = [each.read("train").weights_digest for each in (RunHandle.of(search.best.ended.run), once_more)]
    print(f"  {search.best.name} {str(weights[0])[:19]}, best.yaml {str(weights[1])[:19]}")
    assert weights[0] == weights[1], "the exported spec is not that of the best trial"

    print("\n3. Is it better than the base, with seeds that the search never saw?")
    name = f"{base.name}_best"
    rewards = {arm: rewards_of(renamed(spec, name), arm) for arm, spec in {"base": base, "best": found}.items()}
    # Two values differ, on purpose: which of them did it is not asked.
    (against,) = compare(name, baseline="base", single_factor=False).against
    difference, verdict = against.contrast.difference, against.verdict
    print(f"  best - base  {difference.value:+.1f} [{difference.low:.1f}, {difference.high:.1f}]")
    assert verdict.word != "worse", "what the search found is worse than what it began with"
    mean = sum(rewards["best"]) / len(SEEDS)
    own = search.best.value or 0.0
    print(f"\nThe best trial earned {own:.1f} with its own seed, and {mean:.1f} with others: tell only the second.")
    print(f"The best is {answer(verdict)}")


def rewards_of(spec: TrainAndEvalSpec, arm: str) -> list[float]:
    """What an arm earns with each fresh seed."""
    rewards = [reward(run(seeded(spec, seed), f"{arm}_{seed}", arm)) for seed in SEEDS]
    print(f"  {arm}   {described(values_of(spec))}   rewards {' '.join(f'{each:6.1f}' for each in rewards)}")
    return rewards


def run(spec: TrainAndEvalSpec, tag: str, variant: str = "") -> RunHandle:
    """Run to the end in this process: the runs are short, and none waits for a trainer to start."""
    tags = {"axiom/variant": variant} if variant else {}
    handle = TrainAndEvalExperiment(spec).run(tag, compute=InProcessCompute(), tags=tags)
    assert handle.status == "succeeded", f"{handle.instance_name} {handle.status}: {handle.error}"
    return handle


def seeded(spec: TrainAndEvalSpec, seed: int) -> TrainAndEvalSpec:
    """The same with another seed."""
    return spec.model_copy(update={"controls": spec.controls.model_copy(update={"seed": seed})})


def renamed(spec: TrainAndEvalSpec, name: str) -> TrainAndEvalSpec:
    """The same as a run of another experiment: what belongs to the search is not compared."""
    return spec.model_copy(update={"name": name})


def values_of(spec: TrainAndEvalSpec) -> dict[str, Any]:
    """What is searched, as it is in this spec."""
    return {RATE: spec.trainer.optimizer.learning_rate, EPOCHS: spec.trainer.ppo.update_epochs}


def described(values: Any) -> str:
    """The two values on a line."""
    return f"learning_rate {values[RATE]:.5f}  update_epochs {values[EPOCHS]}"


def reward(handle: RunHandle) -> float:
    """The mean episode reward after training."""
    return handle.read("evaluate").eval_results["CartPole-v1"].mean_reward


def answer(verdict: Any) -> str:
    """The verdict in words, with how many seeds would decide where these do not."""
    if verdict.word != "inconclusive":
        return f"{verdict.word} than the base: {verdict.why}."
    more = "more than 1,000" if verdict.seeds is None else f"about {verdict.seeds}"
    return f"not shown to differ from the base; if it does as much as here, {more} seeds of each would show it."


if __name__ == "__main__":
    recipe(create, runs, main)
