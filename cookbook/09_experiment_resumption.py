"""A run was stopped, or should go on, or has learned what another one needs: five ways to begin where one has ended.

python cookbook/09_experiment_resumption.py --quick
python cookbook/09_experiment_resumption.py --no-launch

| you want to                                    | you write                                                  |
|------------------------------------------------|------------------------------------------------------------|
| go on with the same run after it stopped       | `resume(run)`, or `axiom run --resume RUN`                 |
| train longer                                   | `resume_from: {run: RUN}` and a larger `total_timesteps`   |
| go on from a certain checkpoint                | `resume_from: {run: RUN, update: 400}`                     |
| go on from the best one                        | `resume_from: {run: RUN, checkpoint: best}`                |
| keep what was learned, and nothing else        | `resume_from: {run: RUN, load: weights}`: a warm start     |

The first three change nothing but when the work is done: the weights are bit for bit those of a training that was left
in peace, and this recipe proves it. The last begins a new training with old weights.

Common pitfalls:

- A new run to go on with a stopped one. It would have another spec and another name; `resume` keeps both.
- A learning rate that falls with the length of training. Half of a long training is then not a short one, and to train
  longer gives other weights than to train long at once. Here it is constant.
- A checkpoint that is gone: only the newest `trainer.checkpoint.keep` stay, and the best one.
- `latest` of a run that still goes on is another file tomorrow. The new run keeps a copy; pin the file by its `sha256`.
- A warm start at the old learning rate. What moved a new policy well may throw a good one over; begin lower.
- A warm start beside a run from new weights is no fair comparison of two settings: it has had more steps. Count them.
"""

from threading import Event, Thread
from typing import Any

from axiom_dagster import (
    InProcessCompute,
    RunHandle,
    TrainAndEvalExperiment,
    TrainAndEvalSpec,
    all_runs,
    recipe,
    resume,
    set_values,
)

# The runs are short: in this process none of them waits for a trainer to start.
HERE = InProcessCompute()


def create(quick: bool = False) -> TrainAndEvalSpec:
    """CartPole with a checkpoint every fourth update, and no number that falls with the length of training."""
    return TrainAndEvalSpec.accept(
        {
            "name": "resumption",
            "description": "Is a training that was interrupted the same training?",
            "trainer": {
                "total_timesteps": 32_768 if quick else 65_536,
                "batch_size": 1024,
                "minibatch_size": 256,
                "num_envs": 8,
                "normalize_rewards": False,
                "curriculum": {"env": {"id": "CartPole-v1"}},
                "optimizer": {"learning_rate": 1e-3, "schedule": "constant"},
                "ppo": {"gamma": 0.98, "gae_lambda": 0.8, "update_epochs": 4, "entropy_coef": 0.0},
                "checkpoint": {"interval_updates": 4, "keep": 100},
                "simulation": {"num_episodes": 20, "num_replays": 0},
            },
            "agent": {"hidden_sizes": [64, 64]},
            "wandb": {"mode": "disabled"},
        }
    )


def runs(spec: TrainAndEvalSpec, whole: str = "whole", short: str = "short") -> dict[str, TrainAndEvalSpec]:
    """Every run by its tag; `whole` and `short` are the names of runs to begin with, known once they are made."""
    # A quarter of the way, at a checkpoint: environments begin anew there in every run.
    every = spec.trainer.checkpoint.interval_updates
    quarter = max(spec.trainer.num_updates // 4 // every, 1) * every
    steps = f"trainer.total_timesteps={quarter * spec.trainer.batch_size}"
    best = [f"resume_from.run={whole}", "resume_from.checkpoint=best", "resume_from.load=weights"]
    return {
        "whole": spec,
        "stopped": spec,
        "short": set_values(spec, [steps]),
        "longer": set_values(spec, [f"resume_from.run={short}"]),
        "once_more": set_values(spec, [f"resume_from.run={whole}", f"resume_from.update={quarter}"]),
        "warm_start": set_values(spec, [steps, *best]),
    }


def main(spec: TrainAndEvalSpec) -> None:
    """Stop, go on, go further, go back, begin warm; and hold each to the training that was left in peace."""
    print("\nLeft in peace:")
    whole = run("whole", spec)

    print("\n1. Cancelled after its first checkpoint, and gone on with: the same run")
    stopped = run_and_cancel("stopped", spec)
    resumed = resume(stopped, compute=HERE)
    print(told("resumed", resumed))
    assert resumed.instance_name == stopped.instance_name, "a resumed run keeps its name"
    assert weights(resumed) == weights(whole), "it went on elsewhere"

    print("\n2. A short training, then longer: as if it had been asked for at once")
    short = run("short", runs(spec)["short"])
    specs = runs(spec, whole.instance_name, short.instance_name)
    longer = run("longer", specs["longer"])
    assert weights(longer) == weights(whole), "what was added went elsewhere"
    assert longer.read("train").parents["resume_from"] == short.read("train").digest, "the lineage is lost"

    print("\n3. From a certain checkpoint of the first run: the same road once more")
    once_more = run("once_more", specs["once_more"])
    assert weights(once_more) == weights(whole), "the road from there is another one"

    print("\n4. A warm start: the best checkpoint's weights, all else new, as many updates as the short training")
    warm = run("warm_start", specs["warm_start"])
    assert reward(warm).low > reward(short).high, "what was learned before made no difference"

    print(f"\nFour trainings, three of them not in one go, ended with the weights {beginning(weights(whole))}.")
    print(f"After {short.read('train').metrics['updates']:.0f} updates of its own the warm start earns", end=" ")
    print(f"{reward(warm).mean:.0f}, the run from new weights {reward(short).mean:.0f}.")


def run(tag: str, spec: TrainAndEvalSpec) -> RunHandle:
    """Run to the end, and say what came of it."""
    handle = TrainAndEvalExperiment(spec).run(tag, compute=HERE)
    assert handle.status == "succeeded", f"{handle.instance_name} {handle.status}: {handle.error}"
    print(told(tag, handle))
    return handle


class Pause:
    """A hook that holds a training still until it has been told to stop; left alone it would be over by then."""

    def __init__(self, updates: int) -> None:
        self.reached, self.told = Event(), Event()
        self._left = updates

    def __call__(self, training: Any, info: Any) -> None:
        """Wait where an update begins and so many have been done."""
        self._left -= 1
        if self._left < 0:
            self.reached.set()
            self.told.wait()


def run_and_cancel(tag: str, spec: TrainAndEvalSpec) -> RunHandle:
    """Run, and cancel the run between its first checkpoint and the next."""
    experiment, pause = TrainAndEvalExperiment(spec), Pause(spec.trainer.checkpoint.interval_updates + 1)
    experiment.pipeline.watch("train.schedule", pause)
    Thread(target=cancel, args=[pause], daemon=True).start()
    handle = experiment.run(tag, compute=HERE)
    assert handle.status == "cancelled", f"it was to be cancelled, and is {handle.status}"
    stopped_at = handle.read("train").stopped_at
    assert stopped_at is not None, "it trained to its end before it was told to stop"
    print(f"  {tag:<10} {handle.status} after update {stopped_at.update} of {spec.trainer.num_updates}")
    return handle


def cancel(pause: Pause) -> None:
    """What you do in another terminal, or in the UI with *Terminate*."""
    pause.reached.wait()
    try:
        (newest,) = all_runs(limit=1)
        newest.cancel()
    finally:
        pause.told.set()


def weights(handle: RunHandle) -> str | None:
    """The digest of the trained parameters."""
    return handle.read("train").weights_digest


def reward(handle: RunHandle) -> Any:
    """The mean episode reward after training, with its 95 % interval."""
    return handle.read("evaluate").eval_results["CartPole-v1"].reward


def told(tag: str, handle: RunHandle) -> str:
    """A line of a run: up to which update it went, its weights, what they earn."""
    earned, updates = reward(handle), handle.read("train").metrics["updates"]
    interval = f"[{earned.low:.1f}, {earned.high:.1f}]"
    return f"  {tag:<10} {updates:3.0f} updates   {beginning(weights(handle))}   reward {earned.mean:5.1f} {interval}"


def beginning(digest: str | None) -> str:
    """The first digits of a digest, for people."""
    return str(digest)[:19]


if __name__ == "__main__":
    recipe(create, runs, main)
