"""The experiment API: a spec becomes a run of the job `train_and_eval`; it computes nothing itself."""

import logging
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import dagster as dg

from assets.launchpad import run_config_of
from axiom_dagster.beginning import check_beginning
from axiom_dagster.overriding import AnyCompute, compute_for, functions_of, with_overrides, with_values
from axiom_dagster.preflight import check_environments, check_overrides
from axiom_dagster.run_handle import RunHandle
from axiom_dagster.single_factor import check_single_factor
from resources.compute import compute_run_config
from resources.home import dagster_instance
from resources.in_process_compute import FunctionsCompute, InProcessCompute
from resources.local_compute import LocalCompute
from resources.skypilot.compute import SkyPilotCompute
from trainer.contract import NAME, Refused, TrainAndEvalSpec
from trainer.contract.processes import PROCESS_TAG, this_process
from trainer.pipeline import Pipeline, label

JOB = "train_and_eval"
TAG = "axiom/tag"
# Dagster's own events are debug messages; the stages' words are not.
QUIET = {"loggers": {"console": {"config": {"log_level": "INFO"}}}}

logger = logging.getLogger(__name__)


class TrainAndEvalExperiment:
    """One experiment: train, evaluate, analyze as its spec says, on the Dagster instance that the UI shows.

    Its exposed steps can be overridden on its `pipeline`; every later run then runs the overrides.
    """

    def __init__(self, spec: TrainAndEvalSpec) -> None:
        self._spec = spec
        self._pipeline: Pipeline | None = None
        self._untouched: Mapping[str, Any] = {}
        self._instance: dg.DagsterInstance | None = None

    @property
    def spec(self) -> TrainAndEvalSpec:
        """What defines the experiment; another one starts with a pipeline of its own."""
        return self._spec

    @spec.setter
    def spec(self, spec: TrainAndEvalSpec) -> None:
        self._spec, self._pipeline = spec, None

    @property
    def pipeline(self) -> Pipeline:
        """The experiment as a pipeline, the spec's overrides in place; runs take its overrides and leave it."""
        if self._pipeline is None:
            self._pipeline = self.spec.pipeline()
            self._untouched = self._pipeline.overrides()
        return self._pipeline

    def _create_pipeline(self, config: Mapping[str, Any] = MappingProxyType({})) -> Pipeline:
        """A new pipeline for all later runs, with no overrides but the spec's.

        `config` sets values of the spec first, by dotted paths or nested. Raises `Refused`.
        """
        self.spec = with_values(self.spec, config) if config else self.spec
        return self.pipeline

    def prepare(self) -> Self:
        """Validate the spec, make the home and its Dagster instance ready; raises `Refused`. The run sets the seeds."""
        check_environments(TrainAndEvalSpec.accept(self.spec.plain()))
        self._instance = self._instance or dagster_instance()
        return self

    def run(
        self,
        tag: str | None = None,
        *,
        compute: AnyCompute | None = None,
        tags: Mapping[str, str] = MappingProxyType({}),
    ) -> RunHandle:
        """Run to the end in this process and return the handle, whether the run succeeded, failed or was cancelled.

        `tag` names this run among others of the same spec (letters, digits, `_`, `-`). `compute` says where training
        and evaluation run; none: a process of their own on this machine, or this one where an override is a function
        that no other process can have. `tags` are further Dagster tags. Raises `Refused` where `compute` cannot have
        the function either, and where the spec asks for a single factor and has another number.
        """
        all_tags = {**tags, PROCESS_TAG: this_process(), **({TAG: _accepted(tag)} if tag is not None else {})}
        spec = self.spec if self._pipeline is None else with_overrides(self.spec, self._pipeline, self._untouched)
        functions = functions_of(spec, self._pipeline)
        placed = compute_for(functions, self._pipeline.watchers() if self._pipeline else {}, compute)
        check_overrides(spec, functions)
        check_single_factor(spec, self._instance)
        check_beginning(spec, tags)
        _say_where(placed)
        instance = self._instance or self.prepare()._ready()
        return execute(_job(), run_config_of(spec), placed, instance, all_tags)

    def _ready(self) -> dg.DagsterInstance:
        assert self._instance is not None
        return self._instance


def execute(
    job: dg.JobDefinition,
    config: Mapping[str, Any],
    compute: AnyCompute | None,
    instance: dg.DagsterInstance,
    tags: Mapping[str, str],
    selection: Sequence[dg.AssetKey] | None = None,
) -> RunHandle:
    """Run a job, or these of its assets, to the end in this process, however it ends."""
    run_config, resources = _compute_config(compute)
    result = job.execute_in_process(
        run_config={**QUIET, **config, **run_config},
        instance=instance,
        tags=dict(tags),
        raise_on_error=False,
        resources=resources,
        asset_selection=selection,
    )
    return RunHandle(result.run_id, instance)


def _accepted(tag: str) -> str:
    if not re.match(NAME, tag):
        raise Refused.one(
            "tag", tag, "a tag is 1 to 80 letters, digits, `_` and `-`, and begins with a letter or digit"
        )
    return tag


def _say_where(compute: AnyCompute | None) -> None:
    if isinstance(compute, FunctionsCompute):
        here = [*compute.functions.items(), *((path, hook) for path, hooks in compute.hooks.items() for hook in hooks)]
        what = ", ".join(f"{path} ({label(each)})" for path, each in here)
        logger.warning("this run trains and evaluates in this process, the only one that has what runs at %s", what)


def _compute_config(compute: AnyCompute | None) -> tuple[dict[str, Any], dict[str, Any]]:
    if compute is None:
        return {}, {}
    if isinstance(compute, LocalCompute | InProcessCompute | SkyPilotCompute):
        return compute_run_config(compute), {}
    return {}, {"compute": compute}


def _job() -> dg.JobDefinition:
    from axiom_dagster.definitions import defs

    return defs.resolve_job_def(JOB)
