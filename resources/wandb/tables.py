"""What is known of tracked runs, as typed rows and tables of them; plain data that says which source it is from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, Generic, Literal, Protocol, TypeVar

SourceName = Literal["online", "local"]
RunState = Literal["running", "finished", "failed", "crashed"]


@dataclass(frozen=True)
class RunRow:
    """One W&B run: one stage of one run of ours. `run_id` is the instance name, with `-evaluate` for that stage."""

    run_id: str
    experiment: str
    stage: str
    status: str
    tags: tuple[str, ...]
    project: str
    url: str | None

    def cells(self) -> Mapping[str, Any]:
        """Each column by its name."""
        return _fields(self)


@dataclass(frozen=True)
class StatusRow:
    """How one run stands: `running`, `finished`, `failed`, `crashed`."""

    run_id: str
    status: str

    def cells(self) -> Mapping[str, Any]:
        """Each column by its name."""
        return _fields(self)


@dataclass(frozen=True)
class MetricsRow:
    """The numbers of one update of one run; `values` by metric name, without what is missing."""

    run_id: str
    update: int
    agent_steps: int
    values: Mapping[str, float]

    def cells(self) -> Mapping[str, Any]:
        """Each column by its name, each metric in one of its own."""
        return {"run_id": self.run_id, "update": self.update, "agent_steps": self.agent_steps, **self.values}


@dataclass(frozen=True)
class LogRow:
    """One line that a stage printed, counted from 1."""

    run_id: str
    line: int
    text: str

    def cells(self) -> Mapping[str, Any]:
        """Each column by its name."""
        return _fields(self)


class Row(Protocol):
    """A row of a table."""

    def cells(self) -> Mapping[str, Any]:
        """Each column by its name."""
        ...


R_co = TypeVar("R_co", bound=Row, covariant=True)


@dataclass(frozen=True)
class Table(Generic[R_co]):
    """Rows in order. `source` says who answered: `online` the server, `local` the files of this machine."""

    rows: tuple[R_co, ...]
    source: SourceName

    def __iter__(self) -> Iterator[R_co]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def plain(self) -> list[dict[str, Any]]:
        """Objects of JSON types, as `pandas.DataFrame` takes them; a number that is not finite is none."""
        return [{name: _plain(value) for name, value in row.cells().items()} for row in self.rows]

    def table(self) -> str:
        """For people: one line a row, in columns, with who answered at the end."""
        columns = tuple(dict.fromkeys(name for row in self.rows for name in row.cells()))
        lines = [columns, *(tuple(_cell(row.cells().get(name)) for name in columns) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        shown = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines if columns]
        return "\n".join([*shown, f"{len(self.rows)} rows, {self.source}"])


def _fields(row: Any) -> dict[str, Any]:
    return {each.name: getattr(row, each.name) for each in fields(row)}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _cell(value: Any) -> str:
    if value in (None, "", ()):
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)  # pyright: ignore[reportUnknownArgumentType]
