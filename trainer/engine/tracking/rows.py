"""A stage's numbers as they grow in its run directory, read as often as one likes; it never writes there."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from trainer.contract import RunDirectory


class Rows:
    """The lines of metrics.jsonl, each once; one that is not whole yet waits, one that was torn counts for none."""

    def __init__(self, run: RunDirectory) -> None:
        self._path = run.metrics_file
        self._read_bytes = 0

    def new(self) -> Iterator[dict[str, Any]]:
        """What was written since the last call, in order."""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._read_bytes)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._read_bytes += len(line)
                with suppress(ValueError):
                    yield json.loads(line)


def results_of(run: RunDirectory) -> dict[str, float]:
    """Numbers of an evaluation, `<simulation>/mean_reward` and `random_reward`; none where it left none."""
    try:
        results = json.loads((run.stage("evaluate") / "episodes.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    means = {f"{name}/mean_reward": result["mean_reward"] for name, result in results.items()}
    return means | {f"{name}/random_reward": result["random_reward"]["mean"] for name, result in results.items()}
