"""What a running stage tells whoever waits for it; plain data and the seam that carries it, never a transport."""

from typing import Protocol

from pydantic import Field

from trainer.contract.manifest import Stage
from trainer.plain.model import FrozenModel


class Progress(FrozenModel):
    """How far a stage is."""

    stage: Stage = Field(description="Which stage.")
    done: int = Field(ge=0, description="Agent-steps (train) or episodes (evaluate) so far.")
    total: int = Field(ge=1, description="How many there will be.")
    steps_per_second: float = Field(ge=0, description="Agent-steps a second since the stage began.")
    eta_seconds: float = Field(ge=0, description="Time left at this pace.")
    saved: bool = Field(default=False, description="Whether all that was done so far is in a checkpoint.")
    checkpoint_seconds: float | None = Field(
        default=None, ge=0, description="Time until the next checkpoint at this pace; none: the stage saves none."
    )
    metrics: dict[str, float] = Field(default={}, description="The newest numbers, by W&B name.")

    def __str__(self) -> str:
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in self.metrics.items())
        return (
            f"{self.stage} {self.done:,}/{self.total:,} ({self.done / self.total:.0%})  "
            f"{self.steps_per_second:,.0f} steps/s  ETA {self.eta_seconds:.0f} s  {numbers}"
        ).rstrip()


class Reporter(Protocol):
    """Carries a stage's words to a terminal, a log or an orchestrator."""

    def progress(self, progress: Progress) -> None:
        """Take note of how far the stage is; called about once an update, may drop what comes too fast."""
        ...

    def log(self, message: str) -> None:
        """Show one line."""
        ...
