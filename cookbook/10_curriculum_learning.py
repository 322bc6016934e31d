"""Too hard to begin with: does an order of tasks teach it? Three curricula against none, and what each played when.

python cookbook/10_curriculum_learning.py --quick
python cookbook/10_curriculum_learning.py --no-launch

The task is a lock of 16 dials. Each shows a one or a zero, which is to be answered alike; the first wrong answer locks
it, and only an open lock pays. Who guesses opens one of 65,536, so that a training on that task alone sees no reward to
learn from. A lock of one dial opens every other time. `train.curriculum` says which length is played when:

- `fixed`: the 16 dials from the first step to the last; nothing is assigned.
- `bucketed`: any of the five lengths, each as often.
- `levels`: short ones for a quarter of the training, then longer ones until nearly all of them open, then 16.
- `learning_progress`: those whose returns change fastest, so what is being learned; sometimes any.

All are evaluated on the same task, the 16 dials, whatever they have played. What was assigned is in the metrics of each
run, and the report of a run draws it. What a curriculum remembers is in every checkpoint: the last run begins with one
from the middle of `levels`, and ends with the same bits.

Common pitfalls:

- The learning curves of two curricula side by side. Each is of the tasks that were played; compare evaluations.
- Easy tasks that teach something else. Here the answer to one dial is the answer to all; where it is not, the agent
  learns to be good at what pays soon, and may have to unlearn it.
- A level that ends by reward alone. If it is never reached the rest is never played; give it `until_progress` too.
- Levels that never lead to the task that counts. Evaluation tells, the learning curve does not.
- Tasks of unlike rewards under `learning_progress`. One that pays ten times as much shows ten times the progress.
- One seed. Here the gap is all or nothing; where it is not, compare several (recipe 02).
"""

import json
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import gymnasium  # noqa: TID253 - the environment is this file's own
import numpy as np

from axiom_dagster import (
    InProcessCompute,
    RunHandle,
    TrainAndEvalExperiment,
    TrainAndEvalSpec,
    recipe,
    set_values,
)

FILE, LOCK = "10_curriculum_learning", "Lock-v0"
LENGTH, LENGTHS = "kwargs.length", (1, 2, 4, 8, 16)
LEVELS = ((1, 2), (4, 8), (16,))


class Lock(gymnasium.Env[Any, Any]):
    """A lock of `length` dials; it shows what the present one wants, and how many are turned."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, length: int) -> None:
        self.length, self.turned, self.wanted = int(length), 0, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """A new lock, none of its dials turned."""
        super().reset(seed=seed)
        self.turned = 0
        return self._next_dial(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Turn the present dial; a wrong answer ends the episode, the last right one pays 1."""
        is_right = int(action) == self.wanted
        self.turned += is_right
        is_open = self.turned == self.length
        return self._next_dial(), float(is_open), is_open or not is_right, False, {}

    def _next_dial(self) -> Any:
        self.wanted = int(self.np_random.integers(2))
        return np.array([2 * self.wanted - 1, self.turned / max(LENGTHS)], np.float32)


if LOCK not in gymnasium.registry:
    gymnasium.register(LOCK, entry_point=f"{FILE}:Lock")


def create(quick: bool = False) -> TrainAndEvalSpec:
    """The task that counts, with no curriculum; whoever makes it imports this file first, as its id says."""
    return TrainAndEvalSpec.accept(
        {
            "name": "curriculum",
            "description": "Does an order of tasks teach what is too hard to begin with?",
            "trainer": {
                "total_timesteps": 16_384 if quick else 32_768,
                "batch_size": 512,
                "minibatch_size": 128,
                "num_envs": 16,
                "normalize_rewards": False,
                "curriculum": {"env": {"id": f"{FILE}:{LOCK}", "kwargs": {"length": max(LENGTHS)}}},
                "optimizer": {"learning_rate": 3e-3, "schedule": "constant"},
                "ppo": {"gamma": 0.98, "update_epochs": 4},
                "checkpoint": {"interval_updates": 4, "keep": 100},
                "simulation": {"num_episodes": 50, "num_replays": 0},
            },
            "agent": {"hidden_sizes": [32, 32]},
            "wandb": {"mode": "disabled"},
        }
    )


def runs(spec: TrainAndEvalSpec, begun: str = "levels") -> dict[str, TrainAndEvalSpec]:
    """A run of each curriculum, and one that goes on from the middle of `begun`, the run of `levels`."""
    ends = ({"until_progress": 0.25}, {"until_progress": 0.6, "until_reward": 0.99, "episodes": 500}, {})
    levels = [{"buckets": {LENGTH: lengths}, **end} for lengths, end in zip(LEVELS, ends, strict=True)]
    curricula: dict[str, Any] = {
        "bucketed": {"bucketed": {"buckets": {LENGTH: LENGTHS}}},
        "levels": {"levels": {"levels": levels}},
        "learning_progress": {"learning_progress": {"buckets": {LENGTH: LENGTHS}}},
    }
    by_tag = {
        tag: TrainAndEvalSpec.accept({**spec.plain(), "overrides": {"train.curriculum": curriculum}})
        for tag, curriculum in curricula.items()
    }
    second_level = spec.trainer.num_updates // 4 + spec.trainer.checkpoint.interval_updates
    begin = [f"resume_from.run={begun}", f"resume_from.update={second_level}"]
    return {"fixed": spec, **by_tag, "gone_on_with": set_values(by_tag["levels"], begin)}


def main(spec: TrainAndEvalSpec) -> None:
    """Train with each curriculum, evaluate on the same task, and hold what was played to what was asked for."""
    specs = runs(spec)
    print("\n1. Without a curriculum")
    fixed = run("fixed", specs["fixed"])

    print("\n2. With one. By quarters of the training, the share of environments that played each length:")
    taught = {tag: run(tag, specs[tag]) for tag in ("bucketed", "levels", "learning_progress")}
    for tag, handle in taught.items():
        assert reward(handle).low > reward(fixed).high, f"{tag} taught no more than nothing did"
        assert all(any(row[length] for row in shares(handle)) for length in LENGTHS), f"{tag} left a length out"
    assert in_order(levels_played(taught["levels"])), "the levels were not played in their order"

    print("\n3. From a checkpoint in the middle of `levels`: what it remembers goes on with it")
    again = run("gone_on_with", runs(spec, taught["levels"].instance_name)["gone_on_with"])
    assert weights(again) == weights(taught["levels"]), "it went on elsewhere"
    print(f"  both end with the weights {weights(again)[:19]}")

    print(f"\nAlone the task teaches nothing: {reward(fixed).mean:.0%} of its locks open. Among easier ones:", end=" ")
    print(f"{', '.join(f'{tag} {reward(handle).mean:.0%}' for tag, handle in taught.items())}.")


def run(tag: str, spec: TrainAndEvalSpec) -> RunHandle:
    """Run to the end, and say what opens and what was played."""
    # The environment is in this file, which a process elsewhere would have to be given.
    handle = TrainAndEvalExperiment(spec).run(tag, compute=InProcessCompute())
    assert handle.status == "succeeded", f"{handle.instance_name} {handle.status}: {handle.error}"
    earned = reward(handle)
    print(f"  {tag:<18} opens {earned.mean:.0%} of the locks of 16 dials [{earned.low:.0%}, {earned.high:.0%}]")
    if spec.overrides and spec.resume_from is None:
        print(f"    {'dials':<12}{''.join(f'{length:>6}' for length in LENGTHS)}")
        for number in range(4):
            print(
                f"    quarter {number + 1:<4}{''.join(f'{mean:>6.0%}' for mean in in_quarter(number, shares(handle)))}"
            )
    return handle


def in_quarter(number: int, rows: Sequence[Mapping[int, float]]) -> list[float]:
    """The mean share of each length in one quarter of the updates, counted from 0."""
    first, last = (len(rows) * each // 4 for each in (number, number + 1))
    return [fmean(row[length] for row in rows[first:last]) for length in LENGTHS]


def shares(handle: RunHandle) -> list[Mapping[int, float]]:
    """For each update, the share of environments that were told to play each length."""
    rows = [json.loads(row) for row in (handle.directory / "train/metrics.jsonl").read_text().splitlines()]
    return [{length: row.get(f"curriculum/{LENGTH}={length}", 0.0) for length in LENGTHS} for row in rows]


def levels_played(handle: RunHandle) -> list[int]:
    """For each update, the level whose lengths were played, and none of another one."""
    return [
        next(number for number, level in enumerate(LEVELS) if sum(row[length] for length in level) == 1)
        for row in shares(handle)
    ]


def in_order(levels: Sequence[int]) -> bool:
    """Whether each level comes after those before it, and the last one is reached."""
    return list(levels) == sorted(levels) and set(levels) == set(range(len(LEVELS)))


def reward(handle: RunHandle) -> Any:
    """The share of locks that open after training, with its 95 % interval."""
    (result,) = handle.read("evaluate").eval_results.values()
    return result.reward


def weights(handle: RunHandle) -> str:
    """The digest of the trained parameters."""
    return str(handle.read("train").weights_digest)


if __name__ == "__main__":
    recipe(create, runs, main)
