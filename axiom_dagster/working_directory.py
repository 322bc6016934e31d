"""Makes one's own ops in the working directory importable, as `python` does and an installed command does not."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def working_directory_importable() -> Generator[None]:
    """While the block runs, modules of the working directory can be imported; what is installed comes first."""
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)
