"""One thing that is not as Dagster believes, and what is done about it; how it is found is told elsewhere."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Finding:
    """What was found, whose it is, and what is (or would be) done about it."""

    kind: Literal["dead run", "lost retry", "orphaned trainer", "orphaned job", "unknown job"]
    instance_name: str
    run_id: str | None
    process: str
    remedy: str

    def plain(self) -> dict[str, Any]:
        """The same data as JSON types."""
        return asdict(self)


Mended = tuple[Finding, Callable[[], object]]
