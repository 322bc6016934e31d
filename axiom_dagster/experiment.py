"""The experiment API: a spec becomes a run of the job `train_and_eval`; it computes nothing itself."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

import dagster as dg

from assets.launchpad import run_config_of
from axiom_dagster.preflight import check_environments
from axiom_dagster.run_handle import RunHandle
from resources.compute import Compute
from resources.home import dagster_instance
from resources.in_process_compute import InProcessCompute
from resources.local_compute import LocalCompute
from trainer.contract import NAME, Refused, TrainAndEvalSpec
from trainer.contract.processes import PROCESS_TAG, this_process

JOB = "train_and_eval"
TAG = "axiom/tag"
# Dagster's own events are debug messages; the stages' words are not.
QUIET = {"loggers": {"console": {"config": {"log_level": "INFO"}}}}


class TrainAndEvalExperiment:
    """One experiment: train, evaluate, analyze as its spec says, on the Dagster instance that the UI shows."""

    def __init__(self, spec: TrainAndEvalSpec) -> None:
        self.spec = spec
        self._instance: dg.DagsterInstance | None = None

    def prepare(self) -> Self:
        """Validate the spec, make the home and its Dagster instance ready; raises `Refused`. The run sets the seeds."""
        self.spec = TrainAndEvalSpec.accept(self.spec.plain())
        check_environments(self.spec)
        self._instance = self._instance or dagster_instance()
        return self

    def run(
        self,
        tag: str | None = None,
        *,
        compute: LocalCompute | InProcessCompute | Compute | None = None,
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> RunHandle:
        """Run to the end in this process and return the handle, whether the run succeeded, failed or was cancelled.

        `tag` names this run among others of the same spec (letters, digits, `_`, `-`). `compute` says where training
        and evaluation run; none: a process of their own on this machine. `tags` are further Dagster tags.
        """
        all_tags = {**tags, PROCESS_TAG: this_process(), **({TAG: _accepted(tag)} if tag is not None else {})}
        instance = self._instance or self.prepare()._ready()
        run_config, resources = _compute_config(compute)
        job = _job()
        result = job.execute_in_process(
            run_config={**QUIET, **run_config_of(self.spec), **run_config},
            instance=instance,
            tags=all_tags,
            raise_on_error=False,
            resources=resources,
        )
        return RunHandle(result.run_id, instance)

    def _ready(self) -> dg.DagsterInstance:
        assert self._instance is not None
        return self._instance


def _accepted(tag: str) -> str:
    if not re.match(NAME, tag):
        raise Refused.one(
            "tag", tag, "a tag is 1 to 80 letters, digits, `_` and `-`, and begins with a letter or digit"
        )
    return tag


def _compute_config(
    compute: LocalCompute | InProcessCompute | Compute | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    if compute is None:
        return {}, {}
    if isinstance(compute, LocalCompute | InProcessCompute):
        fields = compute.model_dump(exclude={"kind"})
        return {"resources": {"compute": {"config": {"backend": {compute.kind: fields}}}}}, {}
    return {}, {"compute": compute}


def _job() -> dg.JobDefinition:
    from axiom_dagster.definitions import defs

    return defs.resolve_job_def(JOB)
