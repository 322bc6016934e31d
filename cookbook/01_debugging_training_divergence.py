"""Training diverges, and three ops are new. Which one is it? Substitution tells in a run each, `verify` in one update.

python cookbook/01_debugging_training_divergence.py --quick
python cookbook/01_debugging_training_divergence.py --no-launch

Three ops of PPO were written anew to make them faster. Each keeps the contract of its slot (`axiom conform`), so no run
is refused; together they do not learn, and the value loss explodes. One of them is wrong, and it is found in two ways
that need neither a guess nor a print:

- Substitution: one op at a time gives way to one that is known to be good. Where the agent then learns, the op that
  went was the bug.
- `verify` with another value: it repeats the first update of the bad run with a known-good op in it, beside the
  digests that the run left. If all bits stay, the two ops do the same; else it names the first tensor that differs.

Common pitfalls:

- Several ops swapped at once. If the agent learns then, you know that one of them was it. Swap one at a time.
- Two of them are wrong. Then no single substitution helps, and you swap pairs; recipe 04 builds up instead.
- An op that is right and rounds otherwise also parts from the record. `verify` says that two ops differ and where;
  whether that matters, substitution says.
- A lambda or a function of a notebook trains, but nobody can repeat it: `verify` refuses it. Keep ops in a file.
- One seed. Here the arms are far apart; where they are not, compare several seeds before you call an op guilty.

(The bug: the errors are V(s) - r - gamma V(s'), the wrong way round. Good actions are unlearned, and every target of
the value lies beyond the last one.)
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from axiom_dagster import (
    Estimate,
    Experience,
    Gradients,
    InProcessCompute,
    Loss,
    RunHandle,
    Sample,
    TrainAndEvalExperiment,
    TrainAndEvalSpec,
    recipe,
)

# The three new ops. Read them as you would a colleague's: names and shapes are right, and two of them are correct.


def new_advantage(experience: Experience) -> Estimate:
    """Generalized advantage estimation, the errors of all steps at once."""
    errors = experience.values - (experience.rewards + experience.gamma * experience.next_values)
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
    policy = -(ratio * sample.advantages).minimum(near * sample.advantages).mean()
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


def new_clip(given: Gradients) -> Any:
    """Clipping by the global norm, with no division where nothing is to be clipped."""
    norm = given.gradients.norm()
    if norm > given.max_norm:
        given.gradients.div_(norm / given.max_norm)
    return norm


NEW: dict[str, Callable[[Any], Any]] = {
    "train.compute_advantage": new_advantage,
    "train.compute_loss": new_loss,
    "train.optimizer.clip_gradients": new_clip,
}
KNOWN_GOOD = {
    "train.compute_advantage": "gae",
    "train.compute_loss": "ppo_clip",
    "train.optimizer.clip_gradients": "global_norm",
}


def create(quick: bool = False) -> TrainAndEvalSpec:
    """CartPole with nothing swapped: small enough to wait for, and hard enough to fail at."""
    return TrainAndEvalSpec.accept(
        {
            "name": "debugging",
            "description": "Which of three new ops keeps the agent from learning?",
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


def swapped(known_good: str | None = None) -> dict[str, Any]:
    """The overrides of an arm: every new op by where it can be imported, but for the one that gives way."""
    file = Path(__file__).stem
    new = {path: {"imported": {"target": f"{file}:{op.__name__}"}} for path, op in NEW.items()}
    return new if known_good is None else {**new, known_good: KNOWN_GOOD[known_good]}


def runs(spec: TrainAndEvalSpec) -> dict[str, TrainAndEvalSpec]:
    """The suspect, and an arm for each of its ops with the known-good one in its place."""
    arms = {"all_new": swapped(), **{KNOWN_GOOD[path]: swapped(path) for path in NEW}}
    return {arm: TrainAndEvalSpec.accept({**spec.plain(), "overrides": overrides}) for arm, overrides in arms.items()}


def main(spec: TrainAndEvalSpec) -> None:
    """Find the op, by substitution and by `verify`, and hold the two answers against each other."""
    arms = runs(spec)

    print("\n1. The symptom: all three ops are new")
    suspect = run("all_new", arms["all_new"])
    first, last = value_losses(suspect)
    print(f"  the value loss goes from {first:,.1f} to {last:,.1f}")

    print("\n2. Substitution: one new op at a time gives way to a known-good one")
    healed: list[str] = []
    for path, known_good in KNOWN_GOOD.items():
        if reward(run(known_good, arms[known_good])).low > 2 * reward(suspect).high:
            healed.append(path)

    print("\n3. verify: the first update of the suspect once more, with a known-good op in it")
    parted: list[str] = []
    for path, known_good in KNOWN_GOOD.items():
        found = suspect.verify(updates=1, values={"overrides": swapped(path)})
        where = f"parts at {found.divergence.tensor}" if found.divergence else "bit for bit the same"
        print(f"  {known_good:<12} {where}")
        if found.divergence:
            parted.append(path)

    assert healed == parted and len(healed) == 1, f"substitution says {healed}, verify says {parted}"
    record = suspect.read("train").overrides[healed[0]]
    print(f"\nThe bug is in {healed[0]}: {record.params['target']}")


def run(arm: str, spec: TrainAndEvalSpec) -> RunHandle:
    """Run to the end, and say what the agent earns beside the random policy, which played the same episodes."""
    # The runs are short: in this process none of them waits for a trainer to start. Only `verify` has its own.
    handle = TrainAndEvalExperiment(spec).run(arm, compute=InProcessCompute())
    assert handle.status == "succeeded", f"{handle.instance_name} {handle.status}: {handle.error}"
    agent, chance = reward(handle), handle.read("evaluate").eval_results["CartPole-v1"].random_reward
    interval = f"[{agent.low:.1f}, {agent.high:.1f}]"
    print(f"  {arm:<12} reward {agent.mean:6.1f} {interval:<16} random policy {chance.mean:.1f}")
    return handle


def reward(handle: RunHandle) -> Any:
    """The mean episode reward after training, with its 95 % interval."""
    return handle.read("evaluate").eval_results["CartPole-v1"].reward


def value_losses(handle: RunHandle) -> tuple[float, float]:
    """The value loss in the first update and in the last."""
    rows = [json.loads(row) for row in (handle.directory / "train/metrics.jsonl").read_text().splitlines()]
    return rows[0]["losses/value_loss"], rows[-1]["losses/value_loss"]


if __name__ == "__main__":
    recipe(create, runs, main)
