"""Who watches a training at night? Monitors that stop what is lost, time what goes well, and change nothing else.

python cookbook/07_monitoring_with_hooks.py --quick
python cookbook/07_monitoring_with_hooks.py --no-launch

Four monitors, the same in every run, are part of the spec. After each update they look at one number:

- `target.solved` writes down when the reward is reached, and keeps a checkpoint of that moment.
- `divergence.too_far` ends a training whose policy jumps instead of stepping; the run has failed.
- `non_finite.numbers` ends one that computes with infinity; the run has failed.
- `plateau.flat` ends one that learns nothing more; what it has learned is evaluated, and the run has succeeded.

What no monitor says is a hook: a function of yours that sees the training after each update, and may ask for the same
things. All that either did is in the manifest: who, why, after which update. So a morning begins with a list of what
happened, and a night of diverging runs has cost a few updates each.

Common pitfalls:

- A bound that a good run passes too. Watch one with `notify` first, and see what its numbers are.
- A window of one update. Any number jumps once; the mean of three does not, unless something is wrong.
- Plateaus of a noisy reward. Ask for `min_delta` above the noise, and give it time, or good runs end early.
- To stop at a target and compare rewards. All have the same then; compare the steps that it took.
- A hook that changes what it is shown. It gets the training itself, and the run is no longer the one of the spec.
- A hook is no part of the spec: no repetition has it, and it keeps the run in this process. What proves useful belongs
  into the spec, as a monitor.
- A diverged run that is resumed diverges again. Begin another one with other values, from a checkpoint before it.
"""

from itertools import groupby
from typing import Any

from axiom_dagster import (
    InProcessCompute,
    Intervention,
    Manifest,
    RunHandle,
    TrainAndEvalExperiment,
    TrainAndEvalSpec,
    recipe,
    set_values,
)

# What a healthy run of each size stays clear of.
BORED_QUICKLY, BORED = 12, 32


def create(quick: bool = False) -> TrainAndEvalSpec:
    """CartPole with four monitors, none of which a healthy training hears anything from but its time to target."""
    return TrainAndEvalSpec.accept(
        {
            "name": "monitoring",
            "description": "What becomes of trainings that go wrong when nobody looks?",
            "trainer": {
                "total_timesteps": 16_384 if quick else 32_768,
                "batch_size": 512,
                "minibatch_size": 128,
                "num_envs": 8,
                "normalize_rewards": False,
                "curriculum": {"env": {"id": "CartPole-v1"}},
                "optimizer": {"learning_rate": 3e-3, "schedule": "constant"},
                "ppo": {"gamma": 0.98, "gae_lambda": 0.8, "update_epochs": 4, "entropy_coef": 0.0},
                "simulation": {"num_episodes": 20, "num_replays": 0},
                "monitors": {
                    "target": {"solved": {"value": 50, "actions": ["notify", "save_checkpoint"]}},
                    "divergence": {"too_far": {"metric": "losses/approx_kl", "above": 0.5, "window": 3}},
                    "non_finite": {"numbers": {}},
                    "plateau": {"flat": {"within_updates": BORED_QUICKLY if quick else BORED, "min_delta": 2.0}},
                },
            },
            "agent": {"hidden_sizes": [64, 64]},
            "wandb": {"mode": "disabled"},
        }
    )


def runs(spec: TrainAndEvalSpec) -> dict[str, TrainAndEvalSpec]:
    """A healthy training, watched and unwatched; three that go wrong; and the healthy one with a hook of one's own."""
    kinds = ("target", "divergence", "non_finite", "plateau")
    return {
        "watched": spec,
        "unwatched": set_values(spec, [f"trainer.monitors.{kind}={{}}" for kind in kinds]),
        "jumping": set_values(spec, ["trainer.optimizer.learning_rate=0.3"]),
        "unclipped": set_values(
            spec, ["trainer.optimizer.type=sgd", "trainer.optimizer.learning_rate=10", "trainer.ppo.max_grad_norm=1e9"]
        ),
        "stuck": set_values(spec, ["trainer.optimizer.learning_rate=1e-6"]),
        "with_a_hook": spec,
    }


class LowEntropy:
    """A hook of one's own: it keeps each update's entropy, and asks for an end where that is low."""

    def __init__(self, below: float) -> None:
        self.below = below
        self.seen: list[float] = []

    def __call__(self, training: Any, info: Any) -> None:
        """Called after each update; what is returned counts for nothing, what is requested does."""
        self.seen.append(training.metrics["losses/entropy"])
        if self.seen[-1] < self.below:
            info.request(Intervention.STOP_EARLY, f"the policy explores little: its entropy is {self.seen[-1]:.2f}")


def main(spec: TrainAndEvalSpec) -> None:
    """Watch a healthy training and three sick ones, and hold each to what its manifest says."""
    specs = runs(spec)

    print("\n1. A healthy training: it is timed, and what it computes is the same as if nobody had looked")
    watched, unwatched = run("watched", specs["watched"]), run("unwatched", specs["unwatched"])
    assert watched.weights_digest == unwatched.weights_digest, "the training is another one for being watched"
    assert names(watched) == ["target.solved"] * 2, f"a healthy training heard from {names(watched)}"
    print(f"  both have the weights {str(watched.weights_digest)[:19]}")

    print("\n2. Three that go wrong: each is ended by the monitor that knows its trouble")
    for tag, monitor, status in (
        ("jumping", "divergence.too_far", "failed"),
        ("unclipped", "non_finite.numbers", "failed"),
        ("stuck", "plateau.flat", "succeeded"),
    ):
        ended = run(tag, specs[tag], status)
        assert names(ended) == [monitor], f"{tag} was to be ended by {monitor}, and heard from {names(ended)}"

    print("\n3. A hook of one's own: it ends the healthy training when the policy explores little")
    hook = LowEntropy(below=0.55)
    hooked = run("with_a_hook", specs["with_a_hook"], hook=hook)
    (counts,) = hooked.hooks.values()
    assert counts == {"called": len(hook.seen), "failed": 0}, f"the manifest has counted {counts}"
    assert names(hooked)[-1] == f"train.updates#{len(hook.seen)}.report", "the hook's request is not on record"
    assert all(entropy >= hook.below for entropy in hook.seen[:-1]) and cost(spec, hooked) < 1, "it was not heeded"

    print("\nThe healthy training is bit for bit the same for being watched. The others did not train to their end.")


def run(tag: str, spec: TrainAndEvalSpec, status: str = "succeeded", hook: Any = None) -> Manifest:
    """Run until it ends or is ended, say what happened to it, and return the record of its training."""
    experiment = TrainAndEvalExperiment(spec)
    if hook is not None:
        experiment.pipeline.watch("train.report", hook)
    # The runs are short: in this process none of them waits for a trainer to start.
    handle = experiment.run(tag, compute=InProcessCompute())
    assert handle.status == status, f"{handle.instance_name} was to be {status}, and is {handle.status}: {handle.error}"
    train = handle.read("train")
    print(f"  {tag:<12} {status:<9} {cost(spec, train):4.0%} of the steps   {evaluated(handle)}")
    for (update, path, reason), actions in groupby(train.interventions, key=said):
        done = ", ".join(each.intervention.replace("_", " ") for each in actions)
        print(f"  {'':<12} update {update}, {path.removeprefix('trainer.')}: {reason} ({done})")
    return train


def said(intervention: Any) -> tuple[Any, ...]:
    """When, by whom and why: one monitor may do several things at once."""
    return intervention.iteration, intervention.path, intervention.reason


def cost(spec: TrainAndEvalSpec, train: Manifest) -> float:
    """The part of all updates that was made, as the training counts them or, where it failed, its last intervention."""
    made = train.metrics.get("updates") or train.interventions[-1].iteration
    return (made or 0) / spec.trainer.num_updates


def names(train: Manifest) -> list[str]:
    """Who intervened, in order: a monitor by its kind and name, a hook by its place in the pipeline."""
    return [each.path.removeprefix("trainer.monitors.") for each in train.interventions]


def evaluated(handle: RunHandle) -> str:
    """What the agent earns, if it was worth asking: a training that failed is not evaluated."""
    if handle.status == "failed":
        return "not evaluated"
    reward = handle.read("evaluate").eval_results["CartPole-v1"].reward
    return f"reward {reward.mean:.1f} [{reward.low:.1f}, {reward.high:.1f}]"


if __name__ == "__main__":
    recipe(create, runs, main)
