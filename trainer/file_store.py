"""Files at an address that fsspec knows: each there whole or not at all; it never knows what they are for."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from fsspec.core import url_to_fs

from trainer.contract import atomic_file

WHOLE_PUTS = {"s3", "gs", "gcs", "abfs", "az", "oci", "oss", "memory"}
"""Object stores: what is put there appears whole or not at all, and to move it would be to copy it."""


class FileStore:
    """A folder at `address`, files named by their path in it.

    Every method raises what the file system does; the constructor ImportError where a package for it is missing, and
    ValueError for an address that no file system has.
    """

    def __init__(self, address: str, folder: str) -> None:
        self._files, root = url_to_fs(address)
        self._root = f"{root.rstrip('/')}/{folder}"
        protocol: str | tuple[str, ...] = self._files.protocol
        self._whole_puts = not WHOLE_PUTS.isdisjoint([protocol] if isinstance(protocol, str) else protocol)

    def try_to_write(self) -> None:
        """Write a file and remove it, to see now whether that can be done."""
        self._files.makedirs(self._root, exist_ok=True)
        probe = f"{self._root}/.{uuid4().hex}"
        self._files.pipe_file(probe, b"")
        self._files.rm_file(probe)

    def sizes(self) -> dict[str, int]:
        """All files, with their sizes in bytes; unfinished ones are left out."""
        return dict(self._found())

    def read(self, name: str) -> bytes | None:
        """What is in a file; none if it is not there."""
        with suppress(FileNotFoundError):
            return self._files.cat_file(f"{self._root}/{name}")
        return None

    def get(self, name: str, file: Path) -> None:
        """Copy a file from there."""
        with atomic_file(file) as temporary:
            self._files.get_file(f"{self._root}/{name}", str(temporary))

    def put(self, file: Path, name: str) -> None:
        """Copy a file to there, in the place of the one of that name."""
        target = f"{self._root}/{name}"
        folder, _, last = target.rpartition("/")
        self._files.makedirs(folder, exist_ok=True)
        if self._whole_puts:
            self._files.put_file(str(file), target)
            return
        temporary = f"{folder}/.{last}.{uuid4().hex}"
        self._files.put_file(str(file), temporary)
        self._files.mv(temporary, target)

    def remove(self, name: str) -> None:
        """Remove a file; nothing happens if it is not there."""
        with suppress(FileNotFoundError):
            self._files.rm_file(f"{self._root}/{name}")

    def _found(self) -> Iterator[tuple[str, int]]:
        self._files.invalidate_cache()
        found: dict[str, Any] = self._files.find(self._root, detail=True)
        for path, about in found.items():
            name = path.removeprefix(self._root).lstrip("/")
            if not Path(name).name.startswith("."):
                yield name, about["size"]
