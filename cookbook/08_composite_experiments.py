"""Can an experiment decide by itself what to do next? Phases with conditions, a branch, and a loop that has an end.

python cookbook/08_composite_experiments.py --quick
python cookbook/08_composite_experiments.py --no-launch
axiom run cookbook/08_composite_experiments.py          # the same phases, one table, in the UI as chained assets

What you would do by hand over three evenings, told once:

1. `scout`: a short training. Is there anything to build on?
2. A branch. If it earns enough, `refine` goes on from its weights with smaller steps; if not, `restart` begins anew
   with known-good values. One of the two is skipped, and says why.
3. A loop. `polish` goes on from whichever ran, round after round, until one earns enough, and never more than three.

Conditions are asked of manifests, so the same manifests give the same course, on any machine. What has run is kept: the
same command again runs nothing, and after a crash only what is missing. Below, a scout with good values and one with a
learning rate that lost its zeros take the two branches.

Common pitfalls:

- A loop until it is good enough, without an end. It is refused: some seeds never are.
- A condition at a value that chance passes. The mean of 20 episodes is uncertain; keep away from the random policy's.
- Two branches whose conditions leave a gap, or overlap. Ask the same number: `at_least` in one, `below` in the other.
- The reward of the round that ended the loop as a result. It was picked for being high; other seeds tell.
- A phase that names both branches and neither ran. Then there is nothing to begin with, and it is skipped too.
- Comparing what took different courses. Each has had other steps; recipe 02 is for comparisons.
"""

from itertools import pairwise
from typing import Any

from axiom_dagster import (
    Bound,
    CompositeExperiment,
    Composition,
    Condition,
    InProcessCompute,
    Outcome,
    Phase,
    Repeat,
    RunHandle,
    TrainAndEvalSpec,
    recipe,
)

# The runs are short: in this process none of them waits for a trainer to start.
HERE = InProcessCompute()
RATE, STEPS = "trainer.optimizer.learning_rate", "trainer.total_timesteps"
METRIC, ENOUGH, GOOD, ROUNDS = "evaluation/CartPole-v1", 40, 450, 3
LOST_ITS_ZEROS = 0.3


def create(quick: bool = False) -> TrainAndEvalSpec:
    """CartPole, as a phase trains on it: a few seconds of it."""
    return TrainAndEvalSpec.accept(
        {
            "name": "scouting",
            "trainer": {
                "total_timesteps": 6_144 if quick else 12_288,
                "batch_size": 512,
                "minibatch_size": 128,
                "num_envs": 8,
                "normalize_rewards": False,
                "curriculum": {"env": {"id": "CartPole-v1"}},
                "optimizer": {"learning_rate": 3e-3, "schedule": "constant"},
                "ppo": {"gamma": 0.98, "gae_lambda": 0.8, "update_epochs": 4, "entropy_coef": 0.0},
                "simulation": {"num_episodes": 20, "num_replays": 0},
            },
            "agent": {"hidden_sizes": [64, 64]},
            "wandb": {"mode": "disabled"},
        }
    )


def phases(spec: TrainAndEvalSpec, name: str = "by_itself", rate: float | None = None) -> Composition:
    """Scout, then one of two branches, then rounds of polishing; `rate` is the scout's, where it has not the base's.

    A round of polishing is half as long.
    """
    good = spec.trainer.optimizer.learning_rate
    enough = Condition(phase="scout", metric=METRIC, at_least=ENOUGH)
    too_little = Condition(phase="scout", metric=METRIC, below=ENOUGH)
    return Composition(
        name=name,
        description="Can an experiment decide by itself what to do next?",
        base=spec,
        phases={
            "scout": Phase(set={RATE: rate or good}),
            "refine": Phase(initialize_from=("scout",), when=(enough,), set={RATE: good / 2}),
            "restart": Phase(when=(too_little,)),
            "polish": Phase(
                initialize_from=("refine", "restart"),
                set={RATE: good / 2, STEPS: spec.trainer.total_timesteps // 2},
                repeat=Repeat(at_most=ROUNDS, until=Bound(metric=METRIC, at_least=GOOD)),
            ),
        },
    )


def both(spec: TrainAndEvalSpec) -> dict[str, Composition]:
    """A scout with good values, and one that is misled."""
    return {"by_itself": phases(spec), "misled": phases(spec, "misled", LOST_ITS_ZEROS)}


def runs(spec: TrainAndEvalSpec) -> dict[str, TrainAndEvalSpec]:
    """Every phase of both, of which each runs at most one branch; of `polish` the first round."""
    return {f"{name}_{phase}": each for name, made in both(spec).items() for phase, each in made.specs.items()}


def main(spec: TrainAndEvalSpec) -> None:
    """Let both find their course, hold it to their manifests, and run the first one again."""
    for name, composition in both(spec).items():
        print(f"\n{name}")
        outcomes = CompositeExperiment(composition).run(compute=HERE, told=tell)
        course = {phase: [each for each in outcomes if each.phase == phase] for phase in composition.phases}
        held_to_its_conditions(course)
        held_to_its_lineage(course)

    print("\nby_itself, the same command again")
    again = CompositeExperiment(phases(spec)).run(compute=HERE, told=tell)
    assert not any(each.what == "ran" for each in again), "a phase was run twice"

    print("\nOne declaration, two courses; each follows from the manifests that it has left.")


def held_to_its_conditions(course: dict[str, list[Outcome]]) -> None:
    """The branch is the one that the scout's reward asks for, and the loop ended at the first round that is good."""
    scouted = reward(run_of(course["scout"][0])).mean
    taken, left = ("refine", "restart") if scouted >= ENOUGH else ("restart", "refine")
    assert course[taken][0].stands, f"the scout earned {scouted:.1f}, and {taken} did not run"
    assert course[left][0].what == "skipped", f"the scout earned {scouted:.1f}, and {left} ran too"
    *earlier, last = [reward(run_of(each)).mean for each in course["polish"]]
    assert all(earned < GOOD for earned in earlier), f"the loop went on after {earlier}"
    assert last >= GOOD or len(course["polish"]) == ROUNDS, f"the loop ended with {last:.1f} and rounds left"


def held_to_its_lineage(course: dict[str, list[Outcome]]) -> None:
    """Each round of polishing names the manifest of the training before it."""
    branch = next(each for name in ("refine", "restart") for each in course[name] if each.stands)
    chain = [run_of(branch), *map(run_of, course["polish"])]
    for parent, child in pairwise(chain):
        named = child.read("train").parents["resume_from"]
        assert named == parent.read("train").digest, f"{child.instance_name} names another parent"


def run_of(outcome: Outcome) -> RunHandle:
    """The run of a phase that is done."""
    assert outcome.run is not None and outcome.stands, f"{outcome.phase} {outcome.what}: {outcome.why}"
    return outcome.run


def reward(handle: RunHandle) -> Any:
    """The mean episode reward after training, with its 95 % interval."""
    return handle.read("evaluate").eval_results["CartPole-v1"].reward


def tell(outcome: Outcome) -> None:
    """A line of a phase or a round: what became of it, and what it earns or why it was left out."""
    label = f"{outcome.phase} {outcome.round}" if outcome.phase == "polish" else outcome.phase
    if outcome.run is None or not outcome.stands:
        print(f"  {label:<9} {outcome.what:<8} {outcome.why}")
        return
    earned = reward(outcome.run)
    interval = f"[{earned.low:.1f}, {earned.high:.1f}]"
    print(f"  {label:<9} {outcome.what:<8} reward {earned.mean:5.1f} {interval}")


composition = phases(create())

if __name__ == "__main__":
    recipe(create, runs, main)
