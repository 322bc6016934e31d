"""What the steps of the experiment are called, in which order they run, and which are exposed; never how one is done.

Each part works on an object of its own, which the engine defines and no reader of this declaration has to load: the
stage on a job, the updates on a training, the epochs on a learner, the optimizer on a descent. `Method("x")` calls that
object's method `x`; an exposed step gets what its `takes` hands out, and its result goes back through `gives`.
"""

from collections.abc import Mapping
from functools import cache

from trainer.ops.adam import Adam
from trainer.ops.as_given import AsGiven
from trainer.ops.fixed import Fixed
from trainer.ops.gae import Gae
from trainer.ops.global_norm import GlobalNorm
from trainer.ops.op import Op
from trainer.ops.ppo_clip import PpoClip
from trainer.pipeline import Method, Pipeline, no_nan

DECLARED: Mapping[str, Op] = {op.slot: op for op in (Fixed(), AsGiven(), Gae(), PpoClip(), GlobalNorm(), Adam())}


def train_and_eval(
    ops: Mapping[str, Op] = DECLARED, updates: int = 1, epochs: int = 1, minibatches: int = 1
) -> Pipeline:
    """The whole experiment; `ops` are what runs in each slot that nothing overrides."""
    return (
        Pipeline("train_and_eval")
        .join("train", _train(ops, updates, epochs, minibatches), expose=True, gives=Method("trained"))
        .io("evaluate", Method("evaluate"), expose=True, gives=Method("evaluated"))
        .io("analyze", Method("analyze"), expose=True, gives=Method("analyzed"))
    )


@cache
def exposed() -> tuple[str, ...]:
    """The path of every exposed step; its last part is its slot's name, which no other has."""
    return train_and_eval().exposed()


def slot_of(path: str) -> str:
    """The slot of an exposed path: `compute_advantage` of `train.compute_advantage`."""
    return path.rpartition(".")[2]


def _train(ops: Mapping[str, Op], updates: int, epochs: int, minibatches: int) -> Pipeline:
    update = _update(ops, epochs, minibatches)
    return (
        Pipeline("train")
        .io("begin", Method("begin"))
        .io("policy", Method("actor_critic"), expose=True, takes=Method("blueprint"), gives=Method("with_policy"))
        .repeat(
            "updates",
            update,
            times=updates,
            until=Method("is_over"),
            save=Method("save_now"),
            done=Method("updates_done"),
            flat=True,
        )
        .io("finish", Method("finish"))
    )


def _update(ops: Mapping[str, Op], epochs: int, minibatches: int) -> Pipeline:
    return (
        Pipeline("update")
        .stage("schedule", Method("schedule"))
        .stage("curriculum", ops["curriculum"], expose=True, takes=Method("lesson"), gives=Method("assigned"))
        .io("rollout", Method("collect"), expose=True, takes=Method("collection"), gives=Method("collected"))
        .through(checks=[no_nan(of="rollout.rewards")])
        .stage("compute_reward", ops["compute_reward"], expose=True, takes=Method("earned"), gives=Method("paid"))
        .stage(
            "compute_advantage",
            ops["compute_advantage"],
            expose=True,
            takes=Method("experience"),
            gives=Method("estimated"),
        )
        .through(checks=[no_nan(of="targets")])
        .repeat(
            "epochs",
            _epoch(ops, minibatches),
            times=epochs,
            until=Method("moved_too_far"),
            flat=True,
            takes=Method("study"),
            gives=Method("studied"),
        )
        .io("report", Method("report"))
    )


def _epoch(ops: Mapping[str, Op], minibatches: int) -> Pipeline:
    minibatch = (
        Pipeline("minibatch")
        .stage("next_minibatch", Method("next_minibatch"))
        .stage("compute_loss", ops["compute_loss"], expose=True, takes=Method("sample"), gives=Method("judged"))
        .stage("backward", Method("backward"))
        .join("optimizer", _optimizer(ops), expose=True, takes=Method("descent"), gives=Method("descended"))
    )
    return (
        Pipeline("epoch")
        .stage("shuffle", Method("shuffle"))
        .repeat("minibatches", minibatch, times=minibatches, flat=True)
    )


def _optimizer(ops: Mapping[str, Op]) -> Pipeline:
    return (
        Pipeline("optimizer")
        .stage("clip_gradients", ops["clip_gradients"], expose=True, takes=Method("to_clip"), gives=Method("clipped"))
        .stage("adam_step", ops["adam_step"], expose=True, takes=Method("to_step"), gives=Method("stepped"))
    )
