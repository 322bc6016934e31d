"""Digests of what training holds, tensor by tensor and update by update; it never changes or keeps what it reads."""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np
import torch
from numpy.typing import NDArray


def digest_of_array(value: Any) -> str:
    """The first 16 hex digits of a sha256 over type, shape and bytes of a tensor or an array."""
    array: NDArray[Any] = value.detach().cpu().contiguous().numpy() if isinstance(value, torch.Tensor) else value
    array = np.ascontiguousarray(array)
    digest = sha256(f"{array.dtype}{array.shape}".encode())
    digest.update(array.data if array.size else b"")
    return digest.hexdigest()[:16]


def parts_of(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of nested mappings and sequences with its dotted name, in the order of names."""
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, Any]", value)
        for key in sorted(mapping, key=str):
            yield from parts_of(mapping[key], f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for number, part in enumerate(cast("list[Any]", value)):
            yield from parts_of(part, f"{name}.{number}")
    else:
        yield name, value


def digest_of_state(state: Mapping[str, Any]) -> str:
    """`sha256:…` of all that a checkpoint holds: each leaf's name, and its value or its array's digest."""
    digest = sha256()
    for name, value in parts_of(state):
        shown = digest_of_array(value) if isinstance(value, torch.Tensor | np.ndarray) else repr(value)
        digest.update(f"{name}={shown}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def digests_of(parts: Mapping[str, Any]) -> dict[str, str]:
    """The digest of every array among the parts, by its dotted name, in their order."""
    found: dict[str, str] = {}
    for group, value in parts.items():
        found |= {name: digest_of_array(leaf) for name, leaf in parts_of(value, group)}
    return found


class DigestLog:
    """One line of digests for each update, each chained to all before it."""

    def __init__(self, lines: TextIO, chain: str = "") -> None:
        self._lines = lines
        self.chain = chain

    def record(self, update: int, parts: Mapping[str, Any]) -> None:
        """Write the digests of an update's parts."""
        digests = digests_of(parts)
        self.chain = sha256(f"{self.chain}{json.dumps(digests)}".encode()).hexdigest()[:32]
        self._lines.write(json.dumps({"update": update, "chain": self.chain, "digests": digests}) + "\n")
        self._lines.flush()


def read_digests(path: Path) -> list[dict[str, Any]]:
    """The lines of a digest log."""
    return [json.loads(line) for line in path.read_text().splitlines()]
