"""One W&B run for each stage of a run, by W&B's own client; it never sends a row twice nor waits for a dead network."""

import os
from collections.abc import Mapping
from typing import Any

from trainer.contract import RunDirectory, TrainAndEvalSpec
from trainer.contract.checkpoints import saved_checkpoints
from trainer.contract.tracking import RanMode, require_reachable, server_of, wandb_run_id

INIT_SECONDS = 30.0


class WandbTracker:
    """Id = instance name, over all attempts; group = experiment, job type = stage, x axis = agent-steps.

    W&B's own step is the update's number. So whatever the server has of an earlier attempt is not sent again, and what
    it lacks of it comes first. Offline, each attempt's file begins with the first update: it is complete by itself.
    """

    def __init__(
        self, spec: TrainAndEvalSpec, run: RunDirectory, stage: str, facts: Mapping[str, Any], mode: RanMode
    ) -> None:
        import wandb

        if mode == "online":
            require_reachable(server_of(os.environ))
        else:
            wandb.teardown()  # an online run of this id that could not be begun would still hold it
        self._run_directory, self._spec, self._stage = run, spec, stage
        name = wandb_run_id(run, stage)
        folder = run.stage(stage)
        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            id=name,
            name=name,
            group=spec.name,
            job_type=stage,
            dir=str(folder),
            mode=mode,
            resume="allow" if mode == "online" else None,
            project=spec.wandb.project,
            entity=spec.wandb.entity,
            tags=spec.wandb.tags,
            notes=spec.wandb.notes or None,
            config={**spec.plain(), "axiom": {**facts, "spec_hash": spec.spec_hash}},
            # W&B would copy the checkout's changes, secrets and all, and its remote; the manifest has what may be kept.
            settings=wandb.Settings(
                silent=True,
                console="off",
                init_timeout=INIT_SECONDS,
                reinit="create_new",
                x_disable_stats=True,
                disable_git=True,
                disable_code=True,
                save_code=False,
            ),
        )
        self._next = self._run.starting_step
        self._run.define_metric("agent_steps")
        self._run.define_metric("*", step_metric="agent_steps")

    @property
    def next_update(self) -> int:
        """The first that the server lacks; offline the very first."""
        return self._next

    @property
    def url(self) -> str | None:
        """The run's page; none offline."""
        return None if self._run.offline else self._run.url

    @property
    def entity(self) -> str | None:
        """Whose it is, as the server says; none offline."""
        return None if self._run.offline else self._run.entity

    def log(self, row: Mapping[str, Any]) -> None:
        """Log all but missing values."""
        self._run.log({name: value for name, value in row.items() if value is not None}, step=row["update"])
        self._next = row["update"] + 1

    def summarize(self, values: Mapping[str, float]) -> None:
        """Set them as the run's summary."""
        self._run.summary.update(dict(values))

    def finish(self, exit_code: int) -> None:
        """Log the checkpoint if that is asked for, flush and finish the W&B run."""
        if self._spec.wandb.log_checkpoints and self._stage == "train":
            self._log_checkpoint()
        self._run.finish(exit_code=exit_code)

    def _log_checkpoint(self) -> None:
        import wandb

        for file in saved_checkpoints(self._run_directory)[-1:]:
            artifact = wandb.Artifact(f"{self._run_directory.instance_name}-checkpoint", type="model")
            artifact.add_file(str(file))
            self._run.log_artifact(artifact)
