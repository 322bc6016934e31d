"""Refuses a run that would begin with a checkpoint which is not here; it opens no checkpoint."""

from collections.abc import Mapping

from resources.home import axiom_home
from resources.manifest_store import REPLAY_TAG, RESUME_TAG
from trainer.contract import TrainAndEvalSpec
from trainer.contract.resume import run_to_resume


def check_beginning(spec: TrainAndEvalSpec, tags: Mapping[str, str]) -> None:
    """Refuse a `resume_from` whose run is not in this home.

    A run that repeats another, or goes on with itself, has a copy of what it began with, and needs no other run.
    """
    if spec.resume_from is not None and not {REPLAY_TAG, RESUME_TAG} & tags.keys():
        run_to_resume(spec.resume_from, axiom_home() / "runs")
