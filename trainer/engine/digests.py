"""Digests of what training holds, tensor by tensor and update by update; it never changes or keeps what it reads."""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256, shake_256
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np
import torch
from numpy.typing import NDArray

ROW, LARGE = 1 << 15, 1 << 17
AT_ONCE = 16  # rows: what is made in between takes half a MiB, however much there is, and stays in the cache
WEIGHTS = np.frombuffer(shake_256(b"axiom digest").digest(ROW), np.uint64) | np.uint64(1)


def digest_of_array(value: Any) -> str:
    """The first 16 hex digits of a sha256 over type, shape and bytes of a tensor or an array; large ones go by sums."""
    array: NDArray[Any] = value.detach().cpu().contiguous().numpy() if isinstance(value, torch.Tensor) else value
    array = np.ascontiguousarray(array)
    digest = sha256(f"{array.dtype.str}{array.shape}".encode())
    data = array.reshape(-1).view(np.uint8)
    if data.size >= LARGE:
        whole = data.size // ROW * ROW
        digest.update(row_sums(data[:whole]).data)
        data = data[whole:]
    digest.update(data.data if data.size else b"")
    return digest.hexdigest()[:16]


def row_sums(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """A weighted sum modulo 2⁶⁴ of each `ROW` bytes; six times as fast as a sha256 of all of them.

    The weights are fixed, random and odd: one changed word always changes its sum, several cancel with a chance of
    about 2⁻³⁰. Each word is mixed with itself first, or two changed signs would cancel. None of it withstands a forger.
    """
    words = data.view(np.uint64).reshape(-1, len(WEIGHTS))
    return np.concatenate([_sums(words[start : start + AT_ONCE]) for start in range(0, len(words), AT_ONCE)])


def _sums(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = words >> np.uint64(29)
    mixed ^= words
    return np.einsum("ij,j->i", mixed, WEIGHTS)


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


def chained(chain: str, digests: Mapping[str, str]) -> str:
    """The digest of a line of digests and of all lines before it, whose own is `chain` (empty before the first)."""
    return sha256(f"{chain}{json.dumps(digests)}".encode()).hexdigest()[:32]


class DigestLog:
    """One line of digests for each update, each chained to all before it."""

    def __init__(self, lines: TextIO, chain: str = "") -> None:
        self._lines = lines
        self.chain = chain

    def record(self, update: int, parts: Mapping[str, Any]) -> None:
        """Write the digests of an update's parts."""
        digests = digests_of(parts)
        self.chain = chained(self.chain, digests)
        self._lines.write(json.dumps({"update": update, "chain": self.chain, "digests": digests}) + "\n")
        self._lines.flush()


def read_digests(path: Path) -> list[dict[str, Any]]:
    """The lines of a digest log."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def whole_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a digest log, as far as each is whole and chained to those before it."""
    lines: list[dict[str, Any]] = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
            whole = line["chain"] == chained(lines[-1]["chain"] if lines else "", line["digests"])
        except (ValueError, KeyError, TypeError):
            break
        if not whole:
            break
        lines.append(line)
    return lines
