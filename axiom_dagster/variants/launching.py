"""Puts what is missing of an experiment into Dagster's queue, each run once; it neither dequeues nor waits for any.

Killed at any moment it leaves nothing to mend: who launches again finds what is there, and puts in the rest.
"""

import fcntl
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import dagster as dg
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from axiom_dagster.run_handle import RunHandle
from axiom_dagster.variants.standing import Standing, is_to_do, standings
from resources.declarations import Declaration
from resources.home import EXPERIMENTS_LOCATION, experiments_location
from resources.matrix import (
    EXPERIMENT_TAG,
    JOB,
    LAUNCH_TAG,
    SEED_TAG,
    SPEC_HASH_TAG,
    VARIANT_TAG,
    Cell,
    add_cells,
)
from trainer.contract import Refused

REPOSITORY = "__repository__"
ROOT = Path(__file__).parents[2]
COMPUTE_TAG = "axiom/compute"
RunConfigs = Mapping[str, Mapping[str, Any]]


def put_into_queue(
    declaration: Declaration,
    instance: dg.DagsterInstance,
    home: Path,
    *,
    launch: str,
    run_configs: RunConfigs,
    told: Callable[[Standing], None],
    chosen: Callable[[Standing], bool] = is_to_do,
) -> int:
    """Declare the experiment and queue each of its runs that is missing, failed or was cancelled; returns how many.

    `launch` is a tag of them all; `run_configs` has the run config of each variant. Of two launches at once of one
    experiment the second waits, and then finds the runs of the first. `told` hears of each.
    `chosen` says which are queued.
    """
    _refuse_other_coordinators(instance)
    with _alone(home, declaration.name):
        declaration.write(home)
        add_cells(instance, [Cell(declaration.name, run.variant, run.seed) for run in declaration.runs])
        missing = [each for each in standings(declaration, instance) if chosen(each)]
        job = _job()
        for standing in missing:
            run = _created(standing, instance, job, launch, run_configs[standing.variant])
            # The queue needs no workspace: it only writes down that the run waits.
            instance.run_coordinator.submit_run(SubmitRunContext(run, workspace=cast("Any", None)))
            told(replace(standing, status="queued", run=RunHandle(run.run_id, instance), created=False))
    return len(missing)


def _created(
    standing: Standing, instance: dg.DagsterInstance, job: dg.JobDefinition, launch: str, run_config: Mapping[str, Any]
) -> dg.DagsterRun:
    """A new run that waits for nothing but to be queued; or the one that an earlier launch left so."""
    if standing.created and standing.run and (left := instance.get_run_by_id(standing.run.run_id)):
        return left
    origin, cell = _origin(), standing.cell
    tags = {
        **cell.tags,
        "dagster/partition_set": f"{JOB}_partition_set",
        EXPERIMENT_TAG: cell.experiment,
        VARIANT_TAG: cell.variant,
        SEED_TAG: str(cell.seed),
        SPEC_HASH_TAG: standing.spec_hash,
        LAUNCH_TAG: launch,
        ".dagster/repository": origin.repository_origin.get_label(),
        COMPUTE_TAG: _kind(run_config),
    }
    return instance.create_run_for_job(job, run_config=run_config, tags=tags, remote_job_origin=origin)


def _job() -> dg.JobDefinition:
    # Here and not above: whoever only looks at a recipe's options need not wait for the definitions.
    from axiom_dagster.experiments_location import defs

    return defs.resolve_job_def(JOB)


def _kind(run_config: Mapping[str, Any]) -> str:
    """Where the run computes, told before it is dequeued: the queue has limits on it."""
    return next(iter(run_config["resources"]["compute"]["config"]["backend"]))


def _origin() -> RemoteJobOrigin:
    """By what a daemon knows where the job's code is: the name of a code location of its workspace."""
    target = LoadableTargetOrigin(
        executable_path=sys.executable, module_name=EXPERIMENTS_LOCATION, working_directory=str(ROOT)
    )
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, experiments_location())
    return RemoteRepositoryOrigin(location, REPOSITORY).get_job_origin(JOB)


def _refuse_other_coordinators(instance: dg.DagsterInstance) -> None:
    coordinator = instance.run_coordinator
    if not isinstance(coordinator, QueuedRunCoordinator):
        why = "experiments of many runs wait in Dagster's queue; leave it out, or make it QueuedRunCoordinator"
        raise Refused.one("dagster.yaml: run_coordinator", type(coordinator).__name__, why)


@contextmanager
def _alone(home: Path, experiment: str) -> Generator[None]:
    """While the block runs, no other process launches this experiment; the lock ends with the process."""
    file = home / "experiments" / experiment / ".launching"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
