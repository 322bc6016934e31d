"""`python -m trainer`; where AXIOM_PARENT names the process that waits for it, it ends when that does."""

import atexit
import gc
import os

from trainer.entry import main
from trainer.stopping import end_with_parent

if __name__ == "__main__":
    # Else the process, its work done, looks once more through all that it frees anyway.
    atexit.register(gc.freeze)
    if parent := os.environ.get("AXIOM_PARENT"):
        end_with_parent(int(parent))
    raise SystemExit(main())
