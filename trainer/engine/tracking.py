"""Where training's numbers go besides the run directory; a tracker that fails never fails the training."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from trainer.contract import Reporter, RunDirectory, TrainAndEvalSpec, redacted


class Tracker(Protocol):
    """Takes the metrics of each update."""

    def log(self, metrics: Mapping[str, Any]) -> None:
        """Record one update's metrics."""
        ...

    def close(self, exit_code: int) -> None:
        """Say that the stage has ended, 0 for well."""
        ...


class NoTracker:
    """Tracking is disabled."""

    def log(self, metrics: Mapping[str, Any]) -> None:
        """Nothing."""

    def close(self, exit_code: int) -> None:
        """Nothing."""


class WandbTracker:
    """One W&B run: id = instance name, group = experiment, job type = stage, x axis = agent-steps."""

    def __init__(self, spec: TrainAndEvalSpec, run: RunDirectory, stage: str) -> None:
        import wandb

        folder = run.stage(stage)
        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            id=run.instance_name,
            name=run.instance_name,
            group=spec.name,
            job_type=stage,
            dir=str(folder),
            mode=spec.wandb.mode,
            project=spec.wandb.project,
            entity=spec.wandb.entity,
            tags=spec.wandb.tags,
            notes=spec.wandb.notes or None,
            config=spec.plain(),
            # W&B would copy the checkout's changes, secrets and all, and its remote; the manifest has what may be kept.
            settings=wandb.Settings(
                silent=True, console="off", x_disable_stats=True, disable_git=True, disable_code=True, save_code=False
            ),
        )
        self._run.define_metric("agent_steps")
        self._run.define_metric("*", step_metric="agent_steps")

    def log(self, metrics: Mapping[str, Any]) -> None:
        """Log all but missing values."""
        self._run.log({name: value for name, value in metrics.items() if value is not None})

    def close(self, exit_code: int) -> None:
        """Flush and finish the W&B run."""
        self._run.finish(exit_code=exit_code)


class Forgiving:
    """A tracker whose first failure is reported and ends tracking, not training."""

    def __init__(self, make: Callable[[], Tracker], reporter: Reporter) -> None:
        self._reporter = reporter
        self._tracker: Tracker = NoTracker()
        self._try(lambda: setattr(self, "_tracker", make()))

    def log(self, metrics: Mapping[str, Any]) -> None:
        """Pass on."""
        self._try(lambda: self._tracker.log(metrics))

    def close(self, exit_code: int) -> None:
        """Pass on."""
        self._try(lambda: self._tracker.close(exit_code))

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # whatever a tracker raises, the training is worth more
            self._tracker = NoTracker()
            self._reporter.log(f"tracking stopped, training goes on: {type(error).__name__}: {redacted(str(error))}")


@contextmanager
def tracking(spec: TrainAndEvalSpec, run: RunDirectory, stage: str, reporter: Reporter) -> Iterator[Tracker]:
    """The tracker that the spec asks for; it is told how the block ended."""
    disabled = spec.wandb.mode == "disabled"
    tracker = NoTracker() if disabled else Forgiving(lambda: WandbTracker(spec, run, stage), reporter)
    ended_well = False
    try:
        yield tracker
        ended_well = True
    finally:
        tracker.close(0 if ended_well else 1)
