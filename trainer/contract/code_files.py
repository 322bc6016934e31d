"""The trainer's source files, each with its digest, and one over all; it never imports them."""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from trainer.plain.model import digest_of

TRAINER = Path(__file__).parents[1]


@cache
def code_files() -> Mapping[str, str]:
    """Digest of each of the trainer's Python and YAML files, by path; taken once, when the process first asks."""
    found = sorted(path for ending in ("*.py", "*.yaml") for path in TRAINER.rglob(ending))
    name = TRAINER.parent
    digests = {str(path.relative_to(name)): f"sha256:{sha256(path.read_bytes()).hexdigest()}" for path in found}
    return MappingProxyType(digests)


def code_digest() -> str:
    """`sha256:…` over the names and digests of all the trainer's files."""
    return digest_of(dict(code_files()))
