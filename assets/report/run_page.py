"""The report of one run: its pictures, its animations and the page that shows them; it writes no file."""

import re
from dataclasses import dataclass
from pathlib import Path

from assets.figures import (
    Picture,
    curriculum_chart,
    evaluation_chart,
    exposure_diagram,
    health,
    learning_curve,
    throughput,
)
from assets.figures.curve import reward_gaps
from assets.figures.health import health_gaps
from assets.interventions import rows_of
from assets.replays import Film, film_of, read_recording
from assets.report.exposure import exposure_boxes
from assets.report.facts import circumstances, key_numbers, packages
from assets.report.interventions import early_end, marks_of
from assets.report.links import links_of
from assets.report.page import Figure, embedded, figure_of, rendered
from assets.report.record import RunRecord
from assets.report.verdict import run_verdicts
from assets.results import shown_rows
from trainer.contract import Refused
from trainer.contract.spec_file import spec_yaml

MOST_FILM_BYTES = 1_300_000  # of all animations in a page, which must stay under 3 MB
MOST_FILMS = 4


@dataclass(frozen=True)
class Replay:
    """A recorded episode in a page: an animation, or the words why there is none."""

    simulation: str
    alt: str
    address: str = ""


@dataclass(frozen=True)
class RunReport:
    """What a report is made of, each part made once: for the page, and as files of their own."""

    record: RunRecord
    pictures: dict[str, Picture]
    films: dict[str, Film | str]

    def page(self, folder: Path) -> str:
        """The whole page as HTML; its links to files are those seen from `folder`."""
        record = self.record
        return rendered(
            "run.html",
            title=record.name,
            description=record.spec.description,
            verdicts=[*early_end(record), *run_verdicts(record.train, record.evaluate)],
            facts=key_numbers(record),
            notes=record.notes,
            figures=self._figures(),
            interventions=rows_of(record.train),
            rows=shown_rows(record.evaluate.eval_results if record.evaluate else {}),
            replays=self._replays(),
            spec=spec_yaml(record.spec),
            circumstances=circumstances(record.manifest),
            packages=packages(record.manifest),
            links=links_of(record, folder),
            seed=record.spec.controls.seed,
        )

    def files(self) -> dict[str, bytes]:
        """Every figure as PNG and SVG, `_dark` for dark pages; every animation as GIF."""
        files: dict[str, bytes] = {}
        for picture in self.pictures.values():
            files |= picture.files()
        films = {name: film for name, film in self.films.items() if isinstance(film, Film)}
        return files | {f"replay_{plain(name)}.gif": film.gif for name, film in films.items()}

    def _figures(self) -> dict[str, Figure]:
        titles = {
            "learning_curve": "Learning curve",
            "curriculum": "Curriculum",
            "evaluation": "Evaluation",
            "health": "Losses and health",
            "throughput": "Throughput",
            "exposure": "What ran, and what was swapped",
        }
        rows = self.record.rows
        gaps = {
            "learning_curve": (reward_gaps(rows),),
            "health": tuple(f"{gap[0].upper()}{gap[1:]}." for gap in health_gaps(rows)),
        }
        return {name: figure_of(titles[name], each, gaps.get(name, ())) for name, each in self.pictures.items()}

    def _replays(self) -> list[Replay]:
        """The animations, as many as the page can carry; for each other one the words why it is not here."""
        shown: list[Replay] = []
        room = MOST_FILM_BYTES
        for name, film in self.films.items():
            if isinstance(film, str):
                shown.append(Replay(name, film))
            elif len(film.gif) > room:
                shown.append(Replay(name, "The animation is too large for this page; it is a file of its own."))
            else:
                room -= len(film.gif)
                shown.append(Replay(name, film.alt, embedded(film.gif, "image/gif")))
        return shown


def run_report(record: RunRecord) -> RunReport:
    """The report of a run as far as it came; a replay that cannot be shown costs the report nothing else."""
    results = record.evaluate.eval_results if record.evaluate else {}
    pictures = [
        learning_curve(record.rows, record.name, marks_of(record)),
        evaluation_chart(results, record.name),
        health(record.rows),
        throughput(record.rows),
        exposure_diagram(exposure_boxes(record)),
    ]
    chosen = curriculum_chart(record.rows)
    pictures += [chosen] if chosen else []
    films = {name: _film(file) for name, file in list(record.replays.items())[:MOST_FILMS]}
    return RunReport(record, {each.name: each for each in pictures}, films)


def _film(file: Path) -> Film | str:
    """The animation of a recorded episode, or in words why there is none."""
    try:
        return film_of(read_recording(file)) or "No animation is known for this environment."
    except Refused as refused:
        return f"The recorded episode cannot be shown: {refused}"


def plain(simulation: str) -> str:
    """A simulation's name as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", simulation)
