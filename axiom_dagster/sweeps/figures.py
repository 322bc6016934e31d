"""What a sweep found, as pictures beside its best spec: which values mattered, and which went together."""

from collections.abc import Iterable, Sequence
from math import log, nan
from pathlib import Path
from typing import Any

from assets.figures.generations import Born, generations
from assets.figures.importance import importance
from assets.figures.parallel_coordinates import Axis, parallel_coordinates
from assets.figures.picture import Picture
from axiom_dagster.sweeps.sampling import distributions, drawn
from axiom_dagster.sweeps.search import Search, Trial
from trainer.contract import atomic_file
from trainer.contract.space import Choices
from trainer.contract.sweep import Sweep

FEWEST_TRIALS = 8  # Of fewer the best quarter is one trial.
BETTER = 0.25
MOST_TICKS = 8


def write_pictures(search: Search, folder: Path) -> list[Path]:
    """PNG and SVG of each picture that the trials suffice for; returns the PNGs."""
    for picture in (pictures := list(sweep_pictures(search))):
        for name, data in picture.files().items():
            with atomic_file(folder / name) as temporary:
                temporary.write_bytes(data)
    return [folder / f"{picture.name}.png" for picture in pictures]


def sweep_pictures(search: Search) -> list[Picture]:
    """Parallel coordinates of two trials that succeeded or more; the importance of two values over enough trials.

    Of a population its generations, and the coordinates of the last one. What mattered cannot be said of it: values
    changed while their trainings went on.
    """
    trials = [trial for trial in search.rivals if trial.value is not None]
    found = list[Picture]()
    if search.sweep.population is not None and len(search.generations) > 1:
        found.append(_generations(search, search.sweep.population.interval))
    if search.sweep.population is None and len(trials) >= FEWEST_TRIALS and len(search.sweep.space) > 1:
        found.append(importance(importances(search), len(trials), search.sweep.metric))
    if len(trials) > 1:
        found.append(_coordinates(search, trials))
    return found


def importances(search: Search) -> dict[str, float]:
    """By its name, how much each value decided which trials are among the best quarter; they add up to 1.

    PED-ANOVA (Watanabe et al. 2023, arXiv:2304.10255) of the trials that succeeded.
    """
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    known = distributions(search.sweep)
    study = optuna.create_study(direction=search.sweep.direction)
    for trial in search.trials:
        if trial.value is not None:
            params = {path: drawn(search.sweep.space[path], value) for path, value in trial.params.items()}
            study.add_trial(optuna.trial.create_trial(params=params, distributions=known, value=trial.value))
    parts = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=BETTER))
    names = short_names(search.sweep.space)
    return {names[path]: part for path, part in parts.items()}


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """The last part of each path; the whole path where two end alike."""
    last = {path: path.rpartition(".")[2] for path in paths}
    return {path: name if list(last.values()).count(name) == 1 else path for path, name in last.items()}


def _coordinates(search: Search, trials: Sequence[Trial]) -> Picture:
    names, sweep = short_names(search.sweep.space), search.sweep
    axes = [_axis(names[path], sweep, path, [trial.params[path] for trial in trials]) for path in sweep.space]
    values = [trial.value or 0.0 for trial in trials]
    low, high = min(values), max(values)
    result = Axis(sweep.metric, _places(values, low, high, is_log=False), _ends(low, high, is_log=False))
    best = next(place for place, trial in enumerate(trials) if trial is search.best)
    return parallel_coordinates([*axes, result], _ranks(values, sweep.direction), sweep.metric, best)


def _generations(search: Search, interval: int) -> Picture:
    names, sweep = short_names(search.sweep.space), search.sweep
    trials = [trial for members in search.generations for trial in members]
    known = [trial.value for trial in trials if trial.value is not None]
    values, (low, high) = [nan if trial.value is None else trial.value for trial in trials], (min(known), max(known))
    axes = [_axis(names[path], sweep, path, [trial.params[path] for trial in trials]) for path in sweep.space]
    axes.append(Axis(sweep.metric, _places(values, low, high, is_log=False), _ends(low, high, is_log=False)))
    gone_on = {trial.origin for trial in trials}
    last = trials[-1].generation
    members = [
        Born(trial.generation, trial.origin, is_replaced=trial.generation < last and trial.number not in gone_on)
        for trial in trials
    ]
    best = {trial.number for trial in search.lineage(search.best)} if search.best else set[int]()
    return generations(axes, members, best, interval)


def _axis(label: str, sweep: Sweep, path: str, values: Sequence[Any]) -> Axis:
    each, points = sweep.space[path], sweep.points(path)
    if isinstance(each, Choices):
        last = len(points) - 1
        ticks = {place / last: str(value) for place, value in enumerate(points)}
        return Axis(label, [drawn(each, value) / last for value in values], ticks)
    places = _places(values, each.low, each.high, is_log=each.log)
    if 0 < len(points) <= MOST_TICKS:
        at = _places(points, each.low, each.high, is_log=each.log)
        return Axis(label, places, {place: f"{point:g}" for place, point in zip(at, points, strict=True)})
    return Axis(label, places, _ends(each.low, each.high, is_log=each.log))


def _places(values: Sequence[float], low: float, high: float, *, is_log: bool) -> list[float]:
    """From 0 at `low` to 1 at `high`; the middle where the two are one."""
    first, last = (log(low), log(high)) if is_log else (low, high)
    return [((log(value) if is_log else value) - first) / (last - first) if last > first else 0.5 for value in values]


def _ends(low: float, high: float, *, is_log: bool) -> dict[float, str]:
    middle = (low * high) ** 0.5 if is_log else (low + high) / 2
    return {0.0: f"{low:.3g}", 0.5: f"{middle:.3g}", 1.0: f"{high:.3g}"}


def _ranks(values: Sequence[float], direction: str) -> list[float]:
    """From 0, the worst, to 1, the best."""
    worst_first = sorted(values, reverse=direction == "minimize")
    return [worst_first.index(value) / max(1, len(values) - 1) for value in values]
