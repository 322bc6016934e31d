"""The version of the code that stages run: a digest of the trainer's source files; it never imports them."""

from functools import cache
from hashlib import sha256
from pathlib import Path

import trainer


@cache
def trainer_code_version() -> str:
    """The first 16 hex digits of a sha256 over the names and bytes of the trainer's Python and YAML files."""
    root = Path(trainer.__file__ or "").parent
    digest = sha256()
    for path in sorted(path for ending in ("*.py", "*.yaml") for path in root.rglob(ending)):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]
