"""What two specs must share for one to begin with what the other has trained; it never looks at a checkpoint."""

from typing import Any

from trainer.algorithm.declaration import slot_of
from trainer.contract.environment import ARENA
from trainer.contract.resume import STATEFUL
from trainer.contract.spec import TrainAndEvalSpec

Both = tuple[Any, Any]


def shared_by_weights(then: TrainAndEvalSpec, now: TrainAndEvalSpec) -> dict[str, Both]:
    """By path, both values of what decides whether weights fit, as far as it can be known without an environment."""
    kinds = then.trainer.curriculum.env.id, now.trainer.curriculum.env.id
    unlike = ARENA in kinds and kinds[0] != kinds[1]
    return {
        "agent": (then.agent.plain(), now.agent.plain()),
        **({"trainer.curriculum.env.id": kinds} if unlike else {}),
        **_overrides(then, now, ("policy",)),
    }


def shared_by_all(then: TrainAndEvalSpec, now: TrainAndEvalSpec) -> dict[str, Both]:
    """By path, both values of what a whole checkpoint counts or stores by, beside the weights."""
    return {
        "trainer.batch_size": (then.trainer.batch_size, now.trainer.batch_size),
        "trainer.optimizer.type": (then.trainer.optimizer.type, now.trainer.optimizer.type),
        **_overrides(then, now, STATEFUL),
    }


def _overrides(then: TrainAndEvalSpec, now: TrainAndEvalSpec, slots: tuple[str, ...]) -> dict[str, Both]:
    paths = sorted(path for path in {**then.overrides, **now.overrides} if slot_of(path) in slots)
    return {f"overrides.{path}": (then.overrides.get(path), now.overrides.get(path)) for path in paths}
