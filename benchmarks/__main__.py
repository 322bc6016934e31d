"""`python -m benchmarks [NAME ...]`: runs the named benchmarks (default: all) and keeps their tables in RESULTS.md."""

import sys
from collections.abc import Callable, Sequence

from benchmarks.arena import arena
from benchmarks.costs import costs
from benchmarks.digests import digests
from benchmarks.dispatch import dispatch
from benchmarks.gpu import gpu
from benchmarks.launching import launching
from benchmarks.learning import learning
from benchmarks.loading import loading
from benchmarks.main_job import main_job
from benchmarks.orchestration import orchestration
from benchmarks.peers import peers
from benchmarks.results import keep
from benchmarks.runs import runs
from benchmarks.scale import scale
from benchmarks.statistics import statistics
from benchmarks.tracking import tracking

BENCHMARKS: dict[str, Callable[[], str]] = {
    "loading": loading,
    "orchestration": orchestration,
    "dispatch": dispatch,
    "costs": costs,
    "digests": digests,
    "statistics": statistics,
    "tracking": tracking,
    "runs": runs,
    "launching": launching,
    "scale": scale,
    "main_job": main_job,
    "learning": learning,
    "peers": peers,
    "arena": arena,
    "gpu": gpu,
}


def main(names: Sequence[str]) -> int:
    """Run each named benchmark and write its section."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.stderr.write(f"no benchmark is called {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}\n")
        return 2
    for name in names or BENCHMARKS:
        section = BENCHMARKS[name]()
        keep(name, section)
        sys.stdout.write(f"\n## {name}\n\n{section}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
