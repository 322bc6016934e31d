"""The step `analyze`: what it is given, what it makes of it, and what files may come out; it writes none itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.figures import evaluation_chart, learning_curve
from assets.results import results_csv, results_markdown
from trainer.contract import Manifest, Refused


@dataclass(frozen=True)
class AnalyzeJob:
    """For `analyze`, the whole of it: the manifests of a training and its evaluation, and the training's metrics.

    `rows` are the metrics, one row an update. What replaces the stage returns files: their content, text or bytes, by
    plain name.
    """

    title: str
    train: Manifest
    evaluate: Manifest
    rows: Sequence[Mapping[str, Any]]

    def analyze(self) -> dict[str, str | bytes]:
        """The learning curve, the evaluation chart and the results as tables."""
        results = self.evaluate.eval_results
        return {
            "learning_curve.png": learning_curve(self.rows, self.title),
            "evaluation.png": evaluation_chart(results, self.title),
            "results.md": results_markdown(results),
            "results.csv": results_csv(results),
        }

    def analyzed(self, files: Any) -> dict[str, bytes]:
        """The files as bytes; raises `Refused` for a name that is no plain file's, and for what is neither."""
        if not isinstance(files, Mapping):
            raise Refused.one("analyze", files, "must give files: {name: text or bytes}")
        return {_plain_name(name): _content(name, content) for name, content in files.items()}  # pyright: ignore


def _plain_name(name: Any) -> str:
    if not isinstance(name, str) or Path(name).name != name or name.startswith(".") or name == "manifest.json":
        raise Refused.one("analyze", name, "must be a plain file name, without folders, and not manifest.json")
    return name


def _content(name: Any, content: Any) -> bytes:
    if not isinstance(content, str | bytes):
        raise Refused.one(f"analyze.{name}", content, "must be text or bytes")
    return content.encode() if isinstance(content, str) else content
