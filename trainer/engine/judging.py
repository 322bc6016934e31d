"""When a monitor fires: functions of the values that a training records, one after the other; they never act.

Each is given what it remembers of the values before, empty at first and of plain data, which it keeps up itself. It
knows no clock, so that a repetition, and a training that was stopped and resumed, comes to the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from trainer.contract.monitors import (
    DivergenceConfig,
    MetricMonitorConfig,
    PlateauConfig,
    TargetConfig,
)

Memory = dict[str, Any]


@dataclass(frozen=True)
class Alarm:
    """Why a monitor fires: the number that it judged, and the words."""

    value: float | None
    words: str


def diverged(config: DivergenceConfig, memory: Memory, value: float | None) -> Alarm | None:
    """Whether the mean of the last `window` values is beyond its bound; never before there are as many values.

    With `falls_by` = s the bound is `best - s * |best|`, best the highest such mean so far.
    """
    mean = _mean_of_last(config.window, memory, value)
    if mean is None:
        return None
    shown = f"{_named(config.metric, config.window)} is {mean:.4g}"
    if config.above is not None:
        return Alarm(mean, f"{shown}, above {config.above:g}") if mean > config.above else None
    if config.below is not None:
        return Alarm(mean, f"{shown}, below {config.below:g}") if mean < config.below else None
    share = config.falls_by or 0.0
    best = memory["best"] = max(mean, memory.get("best", mean))
    if mean >= best - share * abs(best):
        return None
    return Alarm(mean, f"{shown}, fallen by more than {share:.4g} of its best, {best:.4g}")


def plateaued(config: PlateauConfig, memory: Memory, value: float | None) -> Alarm | None:
    """Whether the metric has not become better than the best value before by more than `min_delta` for too long.

    Time counts from the first value on, and anew from each value that is better.
    """
    best: float | None = memory.get("best")
    memory["updates"] = memory.get("updates", 0) + 1
    if value is not None and (best is None or _gain(config.better, value, best) > config.min_delta):
        memory.update(best=value, updates=0)
    best = memory.get("best")
    if best is None or memory["updates"] < config.within_updates:
        return None
    by, count = f"by more than {config.min_delta:g} " if config.min_delta else "", memory["updates"]
    words = f"{config.metric} has not become {config.better} than {best:.4g} {by}for {_updates(count)}"
    return Alarm(best if value is None else value, words)


def reached(config: TargetConfig, memory: Memory, value: float | None) -> Alarm | None:
    """Whether the mean of the last `window` values is the target or better; never before there are as many values."""
    mean = _mean_of_last(config.window, memory, value)
    if mean is None or _gain(config.better, mean, config.value) < 0:
        return None
    return Alarm(mean, f"{_named(config.metric, config.window)} is {mean:.4g}, and {config.value:g} was the target")


JUDGES: Mapping[type[MetricMonitorConfig], Callable[[Any, Memory, float | None], Alarm | None]] = {
    DivergenceConfig: diverged,
    PlateauConfig: plateaued,
    TargetConfig: reached,
}


def judge(config: MetricMonitorConfig, memory: Memory, value: float | None) -> Alarm | None:
    """What a monitor says of the newest value of its metric."""
    return JUDGES[type(config)](config, memory, value)


def _mean_of_last(window: int, memory: Memory, value: float | None) -> float | None:
    """The mean of the last `window` values, this one with them; none where there is no new one, or are too few."""
    if value is None:
        return None
    recent = memory["recent"] = [*memory.get("recent", []), value][-window:]
    return fmean(recent) if len(recent) == window else None


def _gain(better: str, value: float, before: float) -> float:
    return value - before if better == "higher" else before - value


def _named(metric: str, window: int) -> str:
    return metric if window == 1 else f"the mean of {metric} over {_updates(window)}"


def _updates(count: int) -> str:
    return f"{count} update{'s' * (count != 1)}"
