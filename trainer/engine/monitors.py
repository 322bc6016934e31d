"""The monitors of one training: what fires is recorded, said and acted on; no decision ever depends on time.

Of several processes the first has the word: the others are told whether training goes on.
"""

from collections.abc import Callable, Iterator, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from trainer.contract import InterventionRecord
from trainer.contract.monitors import (
    Action,
    DivergenceConfig,
    MetricMonitorConfig,
    MonitorConfig,
    MonitorsConfig,
    NonFiniteConfig,
)
from trainer.engine.judging import Alarm, Memory, judge

if TYPE_CHECKING:
    from trainer.engine.training import Training

PATH = "trainer.monitors"
LOOP = "train.updates"
FATAL = (DivergenceConfig, NonFiniteConfig)


class Diverged(ArithmeticError):
    """Training produced a number that is not finite, or is beyond a bound; what it learned since then is worthless."""


class Monitors:
    """What watches a training, what each has seen so far, and whether one of them has ended it."""

    def __init__(self, config: MonitorsConfig, recorded: list[InterventionRecord]) -> None:
        self.config, self.recorded = config, recorded
        self.stopped = False
        self._memory: dict[str, Memory] = {}

    def state(self) -> dict[str, Any]:
        """All of it as plain data, for a checkpoint."""
        recorded = [each.plain() for each in self.recorded]
        return {"memory": self._memory, "recorded": recorded, "stopped": self.stopped}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave an earlier attempt."""
        self._memory, self.stopped = dict(state["memory"]), state["stopped"]
        self.recorded[:] = [InterventionRecord.accept(each) for each in state["recorded"]]

    def look(self, training: "Training") -> str:
        """Judge the update that has just ended, and act; why training has failed by it, empty where it has not."""
        fatal = ""
        for path, config, alarm in self._alarms(training):
            self._fire(training, path, config, alarm, training.done)
            if "stop_early" not in config.actions:
                continue
            if isinstance(config, FATAL):
                fatal = fatal or f"update {training.done}: {_words(path, alarm)}"
            else:
                self.stopped = True
        return fatal

    def require_finite(self, training: "Training") -> None:
        """Raise `Diverged` where a metric of the update that is about to end is not finite, and record who saw it."""
        lost = {name: value for name, value in training.metrics.items() if value is not None and not isfinite(value)}
        if not lost:
            return
        shown = ", ".join(f"{name} = {value}" for name, value in lost.items())
        for path, config in self._on("non_finite"):
            if training.ranks.first and config.of != "weights":
                self._fire(training, path, config, Alarm(None, shown), training.done + 1)
        why = "rewards are not finite, or trainer.optimizer.learning_rate is too large"
        raise Diverged(f"update {training.done + 1}: {shown}; {why}")

    def _alarms(self, training: "Training") -> Iterator[tuple[str, MonitorConfig, Alarm]]:
        for path, config in self._on("divergence", "plateau", "target", "non_finite"):
            memory = self._memory.setdefault(path, {})
            if "fired" in memory or training.done <= config.after_updates:
                continue
            alarm = _judged(training, config, memory)
            if alarm is not None:
                yield path, config, alarm

    def _on(self, *kinds: str) -> Iterator[tuple[str, Any]]:
        named = {kind: getattr(self.config, kind) for kind in kinds}
        return ((f"{PATH}.{kind}.{name}", each) for kind in kinds for name, each in named[kind].items())

    def _fire(self, training: "Training", path: str, config: MonitorConfig, alarm: Alarm, update: int) -> None:
        self._memory.setdefault(path, {})["fired"] = update
        done = ", ".join(config.actions).replace("_", " ")
        training.witness.reporter.log(f"WARNING: update {update}: {_words(path, alarm)} ({done})")
        record = _recorder(training, path, config, alarm, update)
        self.recorded += [record(action) for action in config.actions]
        if "save_checkpoint" in config.actions:
            training.save_now()


def _judged(training: "Training", config: MonitorConfig, memory: Memory) -> Alarm | None:
    if isinstance(config, MetricMonitorConfig):
        return judge(config, memory, training.metrics[config.metric])
    lost = [] if getattr(config, "of", "") == "metrics" else lost_weights(cast("nn.Module", training.policy))
    more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
    return Alarm(None, f"the weights {lost[0]}{more} are not finite") if lost else None


def _recorder(
    training: "Training", path: str, config: MonitorConfig, alarm: Alarm, update: int
) -> Callable[[Action], InterventionRecord]:
    def record(action: Action) -> InterventionRecord:
        return InterventionRecord(
            intervention=action,
            reason=alarm.words,
            path=path,
            iteration=update,
            honoured_by=("log",) if action == "notify" else (f"{LOOP}#{update}",),
            metric=getattr(config, "metric", None),
            value=alarm.value,
            agent_steps=update * training.config.batch_size,
            seconds=training.metrics.get("seconds", training.seconds()),
        )

    return record


def lost_weights(module: nn.Module) -> list[str]:
    """The names of the tensors of a network that hold a number which is not finite; one wait for the GPU in all."""
    floats = {name: each for name, each in module.state_dict().items() if each.is_floating_point()}
    if not floats:
        return []
    finite = torch.stack([each.isfinite().all() for each in floats.values()]).tolist()
    return [name for name, is_finite in zip(floats, finite, strict=True) if not is_finite]


def _words(path: str, alarm: Alarm) -> str:
    return f"{path.removeprefix('trainer.')}: {alarm.words}"
