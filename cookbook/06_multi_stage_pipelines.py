"""Pretrain, then fine-tune: does an agent that begins with what another one has learned reach more in the same time?

python cookbook/06_multi_stage_pipelines.py --quick
python cookbook/06_multi_stage_pipelines.py --no-launch
axiom run cookbook/06_multi_stage_pipelines.py          # the same phases, one table, in the UI as chained assets

Each phase is a run of its own: its directory, its manifests, its report. What links them is a digest: the manifest of
the fine-tuned agent names that of the pretrained one, and keeps a copy of the very checkpoint that it began with.

Common pitfalls:

- The comparison that flatters. The fine-tuned agent has had the pretraining's steps too. `whole` trains for both from
  new weights: that is the price to hold it against, and it may well win.
- Fine-tuning at the learning rate of pretraining. What moved a new policy well may throw a good one over; begin lower.
- `load: all` where you mean weights. Then the training is gone on with, its steps count, and a shorter one has no more.
- Another network, or other observations, in a later phase. No checkpoint fits; the composition is refused at once.
- A phase by hand, with the path of a checkpoint. Who finds out in a month which one it was? Here the manifest knows.
- Fine-tuning what has learned nothing. A condition on the first phase saves the second one's money.
"""

from typing import Any

from axiom_dagster import (
    CompositeExperiment,
    Composition,
    Condition,
    InProcessCompute,
    Outcome,
    Phase,
    RunHandle,
    TrainAndEvalSpec,
    recipe,
)

# The runs are short: in this process none of them waits for a trainer to start.
HERE = InProcessCompute()
STEPS = "trainer.total_timesteps"
GOOD_ENOUGH = Condition(phase="pretrain", metric="evaluation/CartPole-v1", at_least=50)


def create(quick: bool = False) -> TrainAndEvalSpec:
    """CartPole, as the pretraining has it."""
    return TrainAndEvalSpec.accept(
        {
            "name": "pretraining",
            "trainer": {
                "total_timesteps": 24_576 if quick else 49_152,
                "batch_size": 1024,
                "minibatch_size": 256,
                "num_envs": 8,
                "normalize_rewards": False,
                "curriculum": {"env": {"id": "CartPole-v1"}},
                "optimizer": {"learning_rate": 1e-3, "schedule": "constant"},
                "ppo": {"gamma": 0.98, "gae_lambda": 0.8, "update_epochs": 4, "entropy_coef": 0.0},
                "simulation": {"num_episodes": 20, "num_replays": 0},
            },
            "agent": {"hidden_sizes": [64, 64]},
            "wandb": {"mode": "disabled"},
        }
    )


def phases(spec: TrainAndEvalSpec) -> Composition:
    """Pretrain, fine-tune for eight updates; and from new weights: for as long as that, and for as long as both."""
    steps, own = spec.trainer.total_timesteps, 8 * spec.trainer.batch_size
    tuning = {STEPS: own, "trainer.optimizer.learning_rate": spec.trainer.optimizer.learning_rate / 2}
    return Composition.accept(
        {
            "name": "stages",
            "description": "Does an agent that begins with what another one has learned reach more in the same time?",
            "base": spec,
            "phases": {
                "pretrain": Phase(),
                "finetune": Phase(initialize_from=("pretrain",), when=(GOOD_ENOUGH,), set=tuning),
                "scratch": Phase(set={STEPS: own}),
                "whole": Phase(set={STEPS: steps + own}),
            },
        }
    )


def runs(spec: TrainAndEvalSpec) -> dict[str, TrainAndEvalSpec]:
    """Every run by its phase."""
    return dict(phases(spec).specs)


def main(spec: TrainAndEvalSpec) -> None:
    """Run all phases, follow the chain by its digests, repeat a piece of it, and compare what each earns."""
    experiment = CompositeExperiment(phases(spec))
    print()
    made = {outcome.phase: handle_of(outcome) for outcome in experiment.run(compute=HERE, told=tell)}
    assert set(made) == {"pretrain", "finetune", "scratch", "whole"}, f"only {', '.join(made)} ran"
    pretrain, finetune = made["pretrain"], made["finetune"]

    trained, tuned = pretrain.read("train"), finetune.read("train")
    (began,) = [each.sha256 for each in tuned.artifacts if each.path == "train/begin.pt"]
    assert trained.checkpoint and began == trained.checkpoint.sha256, "it began with another checkpoint"
    assert tuned.parents == {"resume_from": trained.digest}, "the lineage is lost"
    print(f"\nfinetune began with the checkpoint {began[:19]} that pretrain ended with, and names its manifest.")

    verification = finetune.verify(updates=2)
    print(f"Trained once more from there: {next(verification.lines())}.")
    assert verification.bits_identical, "the record cannot be repeated"

    again = experiment.run(compute=HERE)
    assert [each.what for each in again] == ["kept"] * len(made), "a phase was run twice"
    print("Run again, the composition keeps every phase.")

    assert reward(finetune).low > reward(made["scratch"]).high, "what was learned before made no difference"
    own, both = (made[name].read("train").metrics["agent_steps"] or 0 for name in ("finetune", "whole"))
    print(f"\nAfter {own:,.0f} agent-steps of its own finetune earns {reward(finetune).mean:.0f},", end=" ")
    print(f"scratch {reward(made['scratch']).mean:.0f}. Both its phases together are {both:,.0f} agent-steps:")
    print(f"from new weights those earn {reward(made['whole']).mean:.0f}. That is what pretraining has to beat,")
    print("unless you have the pretrained agent already, or need it more than once.")


def handle_of(outcome: Outcome) -> RunHandle:
    """The run of a phase; without one there is nothing to compare."""
    assert outcome.run is not None and outcome.stands, f"{outcome.phase} {outcome.what}: {outcome.why}"
    return outcome.run


def reward(handle: RunHandle) -> Any:
    """The mean episode reward after training, with its 95 % interval."""
    return handle.read("evaluate").eval_results["CartPole-v1"].reward


def tell(outcome: Outcome) -> None:
    """A line of a phase: what it began with, what it earns."""
    if outcome.run is None or not outcome.stands:
        print(f"  {outcome.phase:<9} {outcome.what}: {outcome.why}")
        return
    earned = reward(outcome.run)
    interval = f"reward {earned.mean:5.1f} [{earned.low:.1f}, {earned.high:.1f}]"
    print(f"  {outcome.phase:<9} {outcome.what}  {interval:<30} began with {outcome.began_with or 'new weights'}")


composition = phases(create())

if __name__ == "__main__":
    recipe(create, runs, main)
