"""Four components are new, and none has been tried. Test each by itself, the cheapest test first, then all that passed.

python cookbook/04_progressive_debugging.py --quick
python cookbook/04_progressive_debugging.py --no-launch

Every component stands alone among known-good ones, so that whatever fails is its own fault. It climbs three rungs, and
falls at the first that does not hold:

1. Its contract. It is tried on small batches before there is a run: kinds, shapes, signs, what it may change.
2. A hook. While it trains, somebody looks at what every other test only infers: here, how far a step moves the policy.
   The checks that training makes by itself, no NaN in rewards and targets, are counted in the manifest.
3. The result. Does the agent learn more than chance, by intervals that do not touch?

Those that passed are then run together, because two parts that work alone need not work with each other. One of the
four is refused on the first rung, and no run is spent on it; one falls on the second. Recipe 01 goes the other way: it
begins with all that is new, and takes out.

Common pitfalls:

- Everything at once. It fails, and you know nothing; it succeeds, and a bug that costs a third of the reward stays.
- Only the reward is looked at. It says that something is wrong, minutes late, and not where. Rungs 1 and 2 say where.
- A hook that changes what it is shown. It gets the value itself: copy what you keep. A hook observes; an op acts.
- A hook or a function of this process keeps the run in this process. It is for debugging, not for rented machines.
- No known-good run beside it. A step of 0.09 means nothing until you know what a good one is.
- A component that passes all rungs on CartPole is not proven on your task. Climb again there, from the first rung.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from axiom_dagster import (
    Earned,
    Estimate,
    Experience,
    InProcessCompute,
    Loss,
    OptimizerStep,
    Refused,
    RunHandle,
    Sample,
    TrainAndEvalExperiment,
    TrainAndEvalSpec,
    recipe,
)

# The four new components. Which two of them are wrong?


def new_reward(earned: Earned) -> Any:
    """Rewards in tenths, so that values stay small."""
    return earned.rewards * np.float32(0.1)


def new_advantage(experience: Experience) -> Estimate:
    """Generalized advantage estimation, the errors of all steps at once."""
    errors = experience.rewards + experience.gamma * experience.next_values - experience.values
    decay = experience.gamma * experience.gae_lambda * (~experience.ends).astype(np.float32)
    advantages = np.empty_like(experience.rewards)
    tail = np.zeros_like(advantages[0])
    for step in reversed(range(len(errors))):
        tail = errors[step] + decay[step] * tail
        advantages[step] = tail
    return Estimate(advantages, advantages + experience.values)


def new_loss(sample: Sample) -> Loss:
    """PPO's clipped surrogate, with the log ratio taken once."""
    log_ratio = sample.log_probs - sample.old_log_probs
    ratio = log_ratio.exp()
    near = ratio.clamp(1 - sample.clip_coef, 1 + sample.clip_coef)
    policy = (ratio * sample.advantages).minimum(near * sample.advantages).mean()
    value = 0.5 * (sample.values - sample.returns).square().mean()
    entropy = sample.entropy.mean()
    return Loss(
        total=policy + sample.value_coef * value - sample.entropy_coef * entropy,
        policy=policy.detach(),
        value=value.detach(),
        entropy=entropy.detach(),
        approx_kl=(ratio - 1 - log_ratio).mean().detach(),
        clipfrac=((ratio - 1).abs() > sample.clip_coef).float().mean(),
    )


def new_step(step: OptimizerStep) -> None:
    """RMSprop: every gradient over the root of its mean square."""
    if not step.state:
        step.state["square"] = step.gradients.new_zeros(step.gradients.shape)
    square = step.state["square"].lerp_(step.gradients.square(), 0.01)
    move = step.learning_rate * step.gradients / (square.sqrt() + 1e-5)
    step.parameters.sub_(step.learning_rate * move)


NEW: dict[str, Callable[[Any], Any]] = {
    "train.compute_reward": new_reward,
    "train.compute_advantage": new_advantage,
    "train.compute_loss": new_loss,
    "train.optimizer.adam_step": new_step,
}


class StepSizes:
    """A hook between the clipping of gradients and the step: how far each step has moved all parameters."""

    def __init__(self) -> None:
        self.moved: list[float] = []
        self._before: Any = None

    def __call__(self, descent: Any, info: Any) -> None:
        """Compare with a copy: what a hook is shown is changed in place later."""
        now = descent.parameters.detach().clone()
        if self._before is not None:
            self.moved.append((now - self._before).norm().item())
        self._before = now


def create(quick: bool = False) -> TrainAndEvalSpec:
    """CartPole with nothing swapped: the known-good experiment that every component is put into."""
    return TrainAndEvalSpec.accept(
        {
            "name": "progressive",
            "description": "Which of four new components can be trusted?",
            "trainer": {
                "total_timesteps": 16_384 if quick else 32_768,
                "batch_size": 1024,
                "minibatch_size": 256,
                "num_envs": 8,
                "normalize_rewards": False,
                "curriculum": {"env": {"id": "CartPole-v1"}},
                "optimizer": {"learning_rate": 1e-3, "schedule": "constant"},
                "ppo": {"gamma": 0.98, "gae_lambda": 0.8, "update_epochs": 4, "entropy_coef": 0.0},
                "simulation": {"num_episodes": 20},
            },
            "agent": {"hidden_sizes": [64, 64]},
            "wandb": {"mode": "disabled"},
        }
    )


def runs(spec: TrainAndEvalSpec, passed: tuple[str, ...] = tuple(NEW)) -> dict[str, TrainAndEvalSpec]:
    """The known-good one, each new component alone in it, and those that `passed` together; until it is known, all."""
    file = Path(__file__).stem
    new = {path: {"imported": {"target": f"{file}:{op.__name__}"}} for path, op in NEW.items()}
    alone = {op.__name__: {path: new[path]} for path, op in NEW.items()}
    arms = {"known_good": {}, **alone, "together": {path: new[path] for path in passed}}
    return {arm: TrainAndEvalSpec.accept({**spec.plain(), "overrides": overrides}) for arm, overrides in arms.items()}


def main(spec: TrainAndEvalSpec) -> None:
    """Let every component climb, then run those together that came up."""
    print("\nThe known-good experiment, to hold the others against")
    good, good_step = watched_run("known_good", runs(spec)["known_good"])
    assert learned(good), "the known-good experiment does not learn: nothing can be told with it"

    fell: dict[str, int] = {}
    for path, op in NEW.items():
        print(f"\n{path}: {op.__name__}")
        rung = first_rung_missed(op.__name__, runs(spec)[op.__name__], good_step)
        if rung is not None:
            fell[op.__name__] = rung

    passed = tuple(path for path, op in NEW.items() if op.__name__ not in fell)
    print(f"\nTogether: {', '.join(NEW[path].__name__ for path in passed)}")
    together, _ = watched_run("together", runs(spec, passed)["together"])

    assert learned(together), "each works alone, and together they do not learn"
    assert fell, "no component fell: there is no bug to be found"
    print()
    for name, rung in fell.items():
        print(f"{name} fell on rung {rung}: {('its contract', 'the hook', 'the result')[rung - 1]}")
    print("The others can be trusted, alone and together.")


def first_rung_missed(name: str, spec: TrainAndEvalSpec, good_step: float) -> int | None:
    """The first rung that the component misses; none if it passes all three."""
    try:
        run, step = watched_run(name, spec)
    except Refused as refused:
        for problem in refused.problems:
            print(f"  1. refused before any run: {problem.why}")
        return 1
    if not good_step / 10 < step < good_step * 10:
        print(f"  2. a step moves the policy {step / good_step:.1g} times as far as the known-good one")
        return 2
    if not learned(run):
        print("  3. it moves, and learns nothing")
        return 3
    print("  it passes")
    return None


def watched_run(name: str, spec: TrainAndEvalSpec) -> tuple[RunHandle, float]:
    """Run with the hook, say what was seen, and return the run with its median step."""
    experiment, steps = TrainAndEvalExperiment(spec), StepSizes()
    experiment.pipeline.watch("train.optimizer.clip_gradients", steps)
    run = experiment.run(name, compute=InProcessCompute())
    assert run.status == "succeeded", f"{run.instance_name} {run.status}: {run.error}"
    assert steps.moved, "the hook has seen no step; the run's log says why"
    train, agent, chance = run.read("train"), *rewards(run)
    violations = sum(counts["violations"] for counts in train.checks.values())
    print(f"  steps of {median(steps.moved):.2g}, {violations} checks violated", end=", ")
    print(f"reward {agent.mean:.1f} [{agent.low:.1f}, {agent.high:.1f}], random policy {chance.mean:.1f}")
    return run, median(steps.moved)


def rewards(run: RunHandle) -> tuple[Any, Any]:
    """The agent's mean episode reward and that of the random policy, each with its 95 % interval."""
    result = run.read("evaluate").eval_results["CartPole-v1"]
    return result.reward, result.random_reward


def learned(run: RunHandle) -> bool:
    """Whether the agent does better than chance, by intervals that do not touch."""
    agent, chance = rewards(run)
    return agent.low > chance.high


if __name__ == "__main__":
    recipe(create, runs, main)
