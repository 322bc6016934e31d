"""Scalars for TensorBoard, by its own writer and without torch; it never deletes what an earlier attempt wrote."""

import time
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.util import find_spec
from numbers import Real
from pathlib import Path
from typing import Any

from trainer.contract import Refused, TrainAndEvalSpec


def require_tensorboard(spec: TrainAndEvalSpec) -> None:
    """Raises `Refused` where TensorBoard is asked for and is not installed."""
    if spec.tensorboard.enabled and find_spec("tensorboard") is None:
        why = "TensorBoard is not installed here; `pip install 'axiom_dagster[tensorboard]'`, or set it to false"
        raise Refused.one("tensorboard.enabled", True, why)


class TensorBoardTracker:
    """One file of events for each attempt, from the first update on; TensorBoard then drops those of earlier ones."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventFileWriter(str(folder))
        self._proto: Any = import_module("tensorboard.compat.proto.event_pb2")
        begun = self._proto.SessionLog(status=self._proto.SessionLog.START)
        self._writer.add_event(self._proto.Event(wall_time=time.time(), step=0, session_log=begun))
        self._next = 0

    @property
    def next_update(self) -> int:
        """The very first."""
        return self._next

    def log(self, row: Mapping[str, Any]) -> None:
        """Write all that are numbers, at the row's agent-steps."""
        numbers = {name: value for name, value in row.items() if isinstance(value, Real) and name != "update"}
        self._write(numbers.items(), row["agent_steps"])
        self._next = row["update"] + 1

    def summarize(self, values: Mapping[str, float]) -> None:
        """Write them at step 0."""
        self._write(values.items(), 0)

    def finish(self, exit_code: int) -> None:
        """Flush and close the file."""
        self._writer.close()

    def _write(self, numbers: Iterable[tuple[str, Any]], step: int) -> None:
        event = self._proto.Event(wall_time=time.time(), step=step)
        for name, number in numbers:
            event.summary.value.add(tag=name, simple_value=float(number))
        self._writer.add_event(event)
