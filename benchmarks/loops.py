"""The training loop as one would write it by hand, step for step that of the pipeline; and objects that do nothing."""

from collections.abc import Callable, Mapping
from typing import Any, Self

from trainer.contract import TrainAndEvalSpec
from trainer.pipeline import no_nan

Ops = Mapping[str, Callable[[Any], Any]]

# What follows are the steps of `trainer.algorithm.declaration`, counted: of an update, of an epoch, of a minibatch.
STEPS = (9, 2, 6)
_holds = no_nan().predicate


def steps_per_update(spec: TrainAndEvalSpec) -> int:
    """How many steps of the pipeline run in one update that no target of the KL divergence cuts short."""
    config = spec.trainer
    of_update, of_epoch, of_minibatch = STEPS
    minibatches = config.batch_size // config.minibatch_size
    return of_update + config.ppo.update_epochs * (of_epoch + minibatches * of_minibatch)


def by_hand(ops: Ops) -> Callable[[Any], Any]:
    """The whole training stage as a function of its job."""

    def train(job: Any) -> Any:
        training = job.begin()
        training.with_policy(training.blueprint().actor_critic())
        for _ in range(training.config.num_updates):
            update(training, ops)
            if training.is_over():
                break
        return job.trained(training.finish())

    return train


def update(training: Any, ops: Ops) -> None:
    """One update: a rollout, and the epochs that learn from it."""
    config = training.config
    training.schedule()
    training.assigned(ops["curriculum"](training.lesson()))
    training.collected(training.collection().collect())
    assert _holds(training.rollout.rewards)
    training.paid(ops["compute_reward"](training.earned()))
    training.estimated(ops["compute_advantage"](training.experience()))
    assert _holds(training.targets)
    learner = training.study()
    for _ in range(config.ppo.update_epochs):
        epoch(learner, ops, config.batch_size // config.minibatch_size)
        if learner.moved_too_far():
            break
    training.studied(learner)
    training.report()


def epoch(learner: Any, ops: Ops, minibatches: int) -> None:
    """Every step of a rollout once, a minibatch at a time."""
    learner.shuffle()
    for _ in range(minibatches):
        learner.next_minibatch()
        learner.judged(ops["compute_loss"](learner.sample()))
        learner.backward()
        descent = learner.descent()
        descent = descent.clipped(ops["clip_gradients"](descent.to_clip()))
        learner.descended(descent.stepped(ops["adam_step"](descent.to_step())))


def idle_ops() -> dict[str, Any]:
    """An op for each slot that hands on what it is given."""
    slots = ("curriculum", "compute_reward", "compute_advantage", "compute_loss", "clip_gradients", "adam_step")
    return {slot: _same for slot in slots}


def _same(given: Any) -> Any:
    return given


class Nothing:
    """A job, a training, a learner and a descent at once, none of which does anything."""

    rewards = targets = 0.0

    def __init__(self, updates: int, epochs: int, minibatches: int) -> None:
        self.config = self.ppo = self.rollout = self
        self.num_updates, self.update_epochs = updates, epochs
        self.batch_size, self.minibatch_size = minibatches, 1

    def begin(self) -> Self:
        """The training."""
        return self

    def updates_done(self) -> int:
        """None."""
        return 0

    def moved_too_far(self) -> bool:
        """Never."""
        return False

    def is_over(self) -> bool:
        """Never."""
        return False

    def take(self, _: Any) -> Self:
        """Take a result."""
        return self

    blueprint = schedule = lesson = collection = collect = earned = experience = study = shuffle = begin
    next_minibatch = sample = backward = descent = to_clip = to_step = report = finish = actor_critic = begin
    with_policy = assigned = collected = paid = estimated = judged = clipped = stepped = descended = take
    studied = trained = take
