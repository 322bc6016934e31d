"""Is the new algorithm better? Several seeds of each arm, an honest verdict, and two tests of the test itself.

python cookbook/02_ab_testing_algorithms.py --quick
python cookbook/02_ab_testing_algorithms.py --no-launch
axiom compare ab_testing                              # the verdicts once more, and a page of them
axiom run cookbook/02_ab_testing_algorithms.py        # all arms through the queue, as a matrix in the UI

The question: does the plain return of an episode (`monte_carlo`) teach CartPole as well as `gae` does? Nobody should
believe the answer of a test that has not been tested, so two more arms stand beside it, whose answers are known:

- `gae_again` is `gae` once more with other seeds, an A/A test. Whatever differs is chance, and a test that calls it
  better or worse cannot be trusted with anything.
- `past_credit` has a planted bug. A test that does not call it worse is too weak for this question: add seeds.

All arms but `gae_again` run with the same seeds, and are compared seed by seed: what a lucky seed does to both arms
drops out of the difference. Runs that share no seeds are compared unpaired. The level of 0.05 is that of all three
claims together: the chance that any of them is false is at most that.

Common pitfalls:

- One seed of each. The best of two equal arms then wins; here single seeds of one and the same arm lie far apart.
- Reading `inconclusive` as "the same". It says that these runs do not decide; `seeds` says how many might.
- Seeds added until a verdict comes. Of two equal arms one then wins sooner or later. Decide on seeds first.
- An arm that differs in two things. Then nobody knows which of them did it, and the declaration is refused.
- The learning curve of training in the place of evaluation: it is of another policy at each step, and explores.
- Ten arms against one baseline, and the best of them told. Compare them together, so that all claims are counted.

(The bug: the loop over time runs forward, so that each action is credited with what came before it.)
"""

from typing import Any

import numpy as np

from axiom_dagster import (
    Arm,
    Estimate,
    Experience,
    InProcessCompute,
    RunHandle,
    TrainAndEvalExperiment,
    TrainAndEvalSpec,
    Variants,
    compare,
    recipe,
)

FILE = "02_ab_testing_algorithms"


def past_credit(experience: Experience) -> Estimate:
    """Generalized advantage estimation, with a mistake in it."""
    errors = experience.rewards + experience.gamma * experience.next_values - experience.values
    decay = experience.gamma * experience.gae_lambda * (~experience.ends).astype(np.float32)
    advantages = np.empty_like(experience.rewards)
    tail = np.zeros_like(advantages[0])
    for step in range(len(errors)):
        tail = errors[step] + decay[step] * tail
        advantages[step] = tail
    return Estimate(advantages, advantages + experience.values)


def no_page(_: Any) -> dict[str, str]:
    """In the place of each run's own page: with `--quick` only the comparison is looked at."""
    return {}


def create(quick: bool = False) -> Variants:
    """CartPole, four arms of it, and the seeds of each."""
    seeds = tuple(range(1, 7 if quick else 13))
    return Variants(
        name="ab_testing",
        description="Does monte_carlo teach CartPole as well as gae does?",
        base=base(quick=quick),
        arms={
            "gae": Arm(),
            "gae_again": Arm(seeds=tuple(seed + 100 for seed in seeds)),
            "past_credit": Arm(overrides={"train.compute_advantage": f"{FILE}:past_credit"}),
            "monte_carlo": Arm(overrides={"train.compute_advantage": "monte_carlo"}),
        },
        seeds=seeds,
    )


def base(*, quick: bool) -> TrainAndEvalSpec:
    """What all arms share: so short that no arm is done learning, as a ceiling would hide what differs."""
    return TrainAndEvalSpec.accept(
        {
            "trainer": {
                "total_timesteps": 12_288,
                "batch_size": 512,
                "minibatch_size": 128,
                "num_envs": 8,
                "normalize_rewards": False,
                "curriculum": {"env": {"id": "CartPole-v1"}},
                "optimizer": {"learning_rate": 2e-3, "schedule": "constant"},
                "ppo": {"gamma": 0.98, "gae_lambda": 0.8, "update_epochs": 4, "entropy_coef": 0.0},
                "simulation": {"num_episodes": 20, "num_replays": 0},
            },
            "agent": {"hidden_sizes": [64, 64]},
            "wandb": {"mode": "disabled"},
            "overrides": {"analyze": {"imported": {"target": f"{FILE}:no_page"}}} if quick else {},
        }
    )


def runs(variants: Variants) -> dict[str, TrainAndEvalSpec]:
    """Every arm with each of its seeds."""
    return {f"{run.variant}_{run.seed}": run.spec for run in variants.runs()}


def main(variants: Variants) -> None:
    """Run every arm with each seed, compare, and hold two of the three verdicts to what is known."""
    print("\nThe reward of each seed:")
    for variant in variants.specs:
        rewards = [reward(run) for run in every_run(variants, variant)]
        print(f"  {variant:<12} {' '.join(f'{each:6.1f}' for each in rewards)}   mean {np.mean(rewards):6.1f}")

    print("\nAgainst gae:")
    comparison = compare(variants.name, baseline="gae")
    verdicts = {against.arm: against.verdict for against in comparison.against}
    for against in comparison.against:
        print(told(against))

    assert verdicts["gae_again"].word == "inconclusive", "the same arm with other seeds was told from itself"
    assert verdicts["past_credit"].word == "worse", "a known bug was not seen: too few seeds for this question"
    print("\nThe test keeps still where nothing differs, and speaks where something is broken.")
    print(f"Its answer to the question: monte_carlo is {answer(verdicts['monte_carlo'])}")


def every_run(variants: Variants, variant: str) -> list[RunHandle]:
    """The runs of one arm. They are short: in this process none of them waits for another one to start."""
    handles: list[RunHandle] = []
    for run in variants.runs():
        if run.variant == variant:
            experiment = TrainAndEvalExperiment(run.spec)
            # The experiment is the spec's name; which arm the run is of is said here, for `compare`.
            tags = {"axiom/variant": variant}
            handle = experiment.run(f"{variant}_{run.seed}", compute=InProcessCompute(), tags=tags)
            assert handle.status == "succeeded", f"{handle.instance_name} {handle.status}: {handle.error}"
            handles.append(handle)
    return handles


def reward(handle: RunHandle) -> float:
    """The mean episode reward after training."""
    return handle.read("evaluate").eval_results["CartPole-v1"].mean_reward


def told(against: Any) -> str:
    """A line of an arm: how far it is from the baseline, how that was tested, and what may be claimed of it."""
    contrast, verdict = against.contrast, against.verdict
    difference, how = contrast.difference, "paired" if contrast.paired else "unpaired"
    # Where nothing varies there is no interval.
    interval = "" if difference.low is None else f"[{difference.low:.1f}, {difference.high:.1f}]"
    return f"  {against.arm:<12} {difference.value:+7.1f} {interval:<16} {how:<9} {verdict.word:<13} {verdict.why}"


def answer(verdict: Any) -> str:
    """The verdict in words, with how many seeds would decide where these do not."""
    if verdict.word != "inconclusive":
        return f"{verdict.word} than gae."
    more = "more than 1,000" if verdict.seeds is None else f"about {verdict.seeds}"
    return f"not shown to differ from gae; if it differs as much as here, {more} seeds of each would show it."


if __name__ == "__main__":
    recipe(create, runs, main)
