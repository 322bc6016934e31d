"""The step `analyze`: what it is given, what it makes of it, and what files may come out; it writes none itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.results import results_csv, results_markdown
from trainer.contract import Manifest, Refused, RunDirectory, TrainAndEvalSpec

if TYPE_CHECKING:
    from assets.report import RunRecord


@dataclass(frozen=True)
class AnalyzeJob:
    """For `analyze`, the whole of it: the manifests of a training and its evaluation, and the training's metrics.

    `rows` are the metrics, one row an update; `notes` says what of them could not be read. `trained_in` and
    `evaluated_in` are the run directories that hold what the manifests name; `folder` is where the files will lie.
    What replaces the stage returns files: their content, text or bytes, by plain name.
    """

    title: str
    train: Manifest
    evaluate: Manifest
    rows: Sequence[Mapping[str, Any]]
    trained_in: RunDirectory
    evaluated_in: RunDirectory
    folder: Path
    notes: Sequence[str] = ()

    def analyze(self) -> dict[str, str | bytes]:
        """The report, each of its figures and animations as a file, and the results as tables."""
        from assets.report import run_report

        report = run_report(self._record())
        results = self.evaluate.eval_results
        return {
            **report.files(),
            "results.md": results_markdown(results),
            "results.csv": results_csv(results),
            "report.html": report.page(self.folder),
        }

    def _record(self) -> "RunRecord":
        from assets.report import RunRecord

        spec = TrainAndEvalSpec.accept(self.evaluate.spec)
        stages = (self.train, self.evaluate, self.trained_in, self.evaluated_in)
        return RunRecord(self.title, spec, self.rows, *stages, self.notes)

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
