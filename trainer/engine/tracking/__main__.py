"""`python -m trainer.engine.tracking`: tracks one stage of one run as its rows are written, or brings all of them once.

It is a process of its own, so that nothing a tracker does can slow, block or break a training. Its standard output has
words for people, a line each.
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from trainer.contract import RunDirectory
from trainer.contract.exit_codes import DONE, FAILED
from trainer.engine.tracking.keeping import Kept, follow, upload
from trainer.engine.tracking.orders import DONE as HANDED_OVER
from trainer.engine.tracking.orders import Orders


def main() -> int:
    """Exit code 1: an upload failed; tracking alone never does."""
    parser = argparse.ArgumentParser(prog="python -m trainer.engine.tracking", description=__doc__)
    parser.add_argument("--run-dir", type=Path, required=True, help="the run directory")
    parser.add_argument("--stage", choices=["train", "evaluate"], required=True, help="which stage")
    parser.add_argument("--facts", type=json.loads, default={}, help="JSON that W&B's config keeps beside the spec")
    parser.add_argument(
        "--upload", action="store_true", help="bring all to W&B that is there now, online or not at all"
    )
    parser.add_argument("--exit-code", type=int, default=0, help="with --upload: how the stage ended; 0 is well")
    words = parser.parse_args()
    # W&B would report errors, its own and ours, to a third party.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    kept = Kept(RunDirectory(words.run_dir), words.stage, words.facts, _voice(), recording=not words.upload)
    if words.upload:
        upload(kept, words.exit_code)
        return FAILED if kept.tracking.problem else DONE
    # Ctrl-C and a preemption reach all processes of a group; this one goes on until the training's pipe is closed.
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    os.nice(5)
    follow(kept, Orders(sys.stdin.fileno()), os.environ)
    kept.say(HANDED_OVER)
    return DONE


def _voice():
    """Says a line to whoever started this process; what packages print goes nowhere."""
    voice = os.fdopen(os.dup(1), "w", encoding="utf-8")
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)

    def say(line: str) -> None:
        voice.write(" ".join(line.split()) + "\n")
        voice.flush()

    return say


if __name__ == "__main__":
    sys.exit(main())
