"""What a running stage tells whoever waits for it; plain data and the seam that carries it, never a transport."""

import re
from math import isfinite
from typing import Protocol

from pydantic import Field

from trainer.contract.manifest import Stage
from trainer.plain.model import FrozenModel

WORDS = re.compile(
    r"(?P<stage>train|evaluate|analyze) (?P<done>[\d,]+)/(?P<total>[\d,]+) \(\d+%\)  "
    r"(?P<steps_per_second>[\d,]+) steps/s  ETA (?P<eta_seconds>\d+) s(?:  (?P<metrics>.+))?"
)


class Progress(FrozenModel):
    """How far a stage is. As words it is what every log keeps of it, wherever the stage runs."""

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

    @classmethod
    def read(cls, words: str) -> "Progress | None":
        """What `str` made words of, as exactly as the words are; none where they are no progress."""
        found = WORDS.fullmatch(words)
        if found is None:
            return None
        said = found.groupdict()
        pairs = (number.rpartition(" ") for number in (said.pop("metrics") or "").split("  ") if number)
        metrics = {name: float(value) for name, _, value in pairs if isfinite(float(value))}
        return cls.model_validate({name: text.replace(",", "") for name, text in said.items()} | {"metrics": metrics})


class Reporter(Protocol):
    """Carries a stage's words to a terminal, a log or an orchestrator."""

    def progress(self, progress: Progress) -> None:
        """Take note of how far the stage is; called about once an update, may drop what comes too fast."""
        ...

    def log(self, message: str) -> None:
        """Show one line."""
        ...
