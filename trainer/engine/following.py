"""What each process but the first does where several train: the same steps on its own part; no file of it stays."""

import signal
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from trainer.contract import Reporter, RunDirectory, begin_attempt, load_experiment_spec
from trainer.engine.job import TrainJob
from trainer.engine.ranks import Ranks
from trainer.engine.tracking.companion import Untracked
from trainer.engine.witness import Trained, Witness


@dataclass(frozen=True)
class Told:
    """What the first process tells the others of its run: where it lies there, its spec, the source of its own ops."""

    path: Path
    files: dict[str, str]


def told(run: RunDirectory) -> Told:
    """What there is to tell of a run; raises `Refused` where its spec is none."""
    with run.source_first():
        load_experiment_spec(run.spec_file)
    files = [run.spec_file, *run.source_files()]
    return Told(run.path, {run.relative(file): file.read_text() for file in files})


def follow(what: Told, ranks: Ranks, reporter: Reporter) -> str:
    """Train along with the first process, for as long as it does; the digest of the weights that this one ends with.

    The files that a training needs around it vanish at the end.
    """
    signal.signal(signal.SIGTERM, ranks.ask_to_stop)
    with TemporaryDirectory(prefix="axiom-rank-") as folder:
        run = RunDirectory(Path(folder) / what.path.name)
        for name, text in what.files.items():
            file = run.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        with run.source_first(), ranks.last_words(), ExitStack() as stack:
            spec, lease = load_experiment_spec(run.spec_file), begin_attempt(run, "train", None)
            job = TrainJob(spec, run, Witness(run, reporter, Untracked(), lease), stack, ranks)
            trained: Trained = spec.pipeline().only("train").compile()(job)
            return trained.weights_digest
