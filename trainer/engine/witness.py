"""Who is told about a training while it goes on, and what it leaves; both hold what they are given and do nothing."""

from dataclasses import dataclass, field
from pathlib import Path

from trainer.contract import InterventionRecord, Lease, Reporter, RunDirectory
from trainer.engine.tracking.companion import Tracked


@dataclass(frozen=True)
class Trained:
    """What training leaves: the digest of the weights, the last checkpoint, summary numbers."""

    weights_digest: str
    checkpoint: Path
    metrics: dict[str, float | None]


@dataclass(frozen=True)
class Witness:
    """Who is told about a training while it goes on; `interventions` takes what its monitors ask for."""

    run: RunDirectory
    reporter: Reporter
    tracker: Tracked
    lease: Lease
    interventions: list[InterventionRecord] = field(default_factory=list[InterventionRecord])
