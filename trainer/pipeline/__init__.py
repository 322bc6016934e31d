"""Pipelines of named steps with exposed, swappable parts; plain calls once compiled, free of torch and numpy."""

from trainer.pipeline.check_library import grad_band, in_range, no_nan, prob_simplex, required_keys
from trainer.pipeline.checks import Check, CheckOptions, Level
from trainer.pipeline.compiled import Compiled
from trainer.pipeline.errors import CheckFailed, GuardRefused, PipelineFrozen, step_of
from trainer.pipeline.guards import Guard, gpu_required, master_only, retry, timeout
from trainer.pipeline.identity import described, label, source_digest
from trainer.pipeline.interventions import Hook, HookInfo, Intervention, Request
from trainer.pipeline.method import Method
from trainer.pipeline.pipeline import Pipeline, StepInfo

__all__ = [
    "Check",
    "CheckFailed",
    "CheckOptions",
    "Compiled",
    "Guard",
    "GuardRefused",
    "Hook",
    "HookInfo",
    "Intervention",
    "Level",
    "Method",
    "Pipeline",
    "PipelineFrozen",
    "Request",
    "StepInfo",
    "described",
    "gpu_required",
    "grad_band",
    "in_range",
    "label",
    "master_only",
    "no_nan",
    "prob_simplex",
    "required_keys",
    "retry",
    "source_digest",
    "step_of",
    "timeout",
]
