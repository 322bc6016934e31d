"""Goes on with a run that stopped before its end, in its own directory; it never changes what the run was asked for."""

from axiom_dagster.experiment import TrainAndEvalExperiment
from axiom_dagster.overriding import AnyCompute
from axiom_dagster.run_handle import RunHandle
from resources.manifest_store import INSTANCE_NAME_TAG, RESUME_TAG
from trainer.contract import Refused, RunDirectory, load_experiment_spec

STOPPED = ("failed", "cancelled")


def resume(stopped: RunHandle, *, compute: AnyCompute | None = None) -> RunHandle:
    """Run what is left of a failed, cancelled or dead run: stages that succeeded are kept, training goes on.

    The instance name and the directory stay; Dagster counts it as a new run. Raises `Refused` for a run that
    succeeded or is still alive, and where no directory was made yet.
    """
    if stopped.status not in STOPPED:
        why = "only a run that failed or was cancelled can be resumed"
        died = "; if its process has died, `axiom reconcile` says so to Dagster" if stopped.status == "running" else ""
        raise Refused.one("resume", stopped.instance_name, f"is {stopped.status}: {why}{died}")
    run = RunDirectory(stopped.directory)
    spec = load_experiment_spec(run.spec_file)
    with run.source_first():
        tags = {INSTANCE_NAME_TAG: stopped.instance_name, RESUME_TAG: stopped.run_id}
        return TrainAndEvalExperiment(spec).run(compute=compute, tags=tags)
