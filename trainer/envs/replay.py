"""Saves one episode to a compressed JSON file, whole or not at all; it never decides which episode."""

import gzip
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Call `write` with a temporary path beside `path` (same suffix), then move the file to `path` in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{os.getpid()}-partial-{path.name}")
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_replay(path: Path, episode: dict[str, Any]) -> None:
    """Write JSON, compressed like MettaGrid's replays: gzip for a `.gz` suffix, else zlib."""
    compress = gzip.compress if path.suffix == ".gz" else zlib.compress
    payload = compress(json.dumps(episode).encode())
    write_atomically(path, lambda partial: _write(partial, payload))


def read_replay(path: Path) -> dict[str, Any]:
    """The episode in a replay file, of the arena or of a Gymnasium environment."""
    payload = path.read_bytes()
    decompress = gzip.decompress if path.suffix == ".gz" else zlib.decompress
    return json.loads(decompress(payload))


def _write(path: Path, payload: bytes) -> None:
    path.write_bytes(payload)
