"""A git checkout and how its files differ from its commit, as a patch; nothing in the checkout is ever written.

The patch is made of what lies in the work tree, through an index and an object folder of its own: the user's index,
what is staged there, and the repository's objects stay as they are.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from trainer.contract.git import GitFailed, git
from trainer.contract.redaction import is_secret_file, redacted, secret_values

LARGEST_FILE = 1 << 20
LARGEST_PATCH = 16 << 20
NAMED = 100
DIFF = ("diff-index", "--cached", "--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv")
PLAIN = ("--no-color", "--src-prefix=a/", "--dst-prefix=b/")


@dataclass(frozen=True)
class Patch:
    """What `git apply` makes of the commit what lies there, and the changed files that are not in it, with reasons."""

    content: bytes
    left_out: Mapping[str, str]

    @property
    def dirty(self) -> bool:
        """Whether anything differs from the commit."""
        return bool(self.content or self.left_out)


@dataclass(frozen=True)
class Checkout:
    """A work tree: its top folder, where its objects are, its commit, and its branch if it is on one."""

    top: Path
    objects: Path
    commit: str
    branch: str | None

    def patch(self, but: Path | None = None) -> Patch:
        """All changes and all untracked files that are not ignored; those of runs, and in the folder `but`, never.

        Left out, with a note, are files that are named as secrets are or that hold one, that are too large, and
        repositories inside this one. Raises `GitFailed`.
        """
        with TemporaryDirectory(prefix="axiom-patch-") as folder:
            own = {"GIT_INDEX_FILE": f"{folder}/index", "GIT_OBJECT_DIRECTORY": f"{folder}/objects"}
            own["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = str(self.objects)
            Path(own["GIT_OBJECT_DIRECTORY"]).mkdir()
            git(self.top, "read-tree", self.commit, own=own)
            listed = git(self.top, "ls-files", "-z", "-m", "-d", "-o", "--exclude-standard", own=own)
            taken, left_out = self._sorted_out(sorted({name for name in listed.split(b"\0") if name}), but)
            names = b"".join(name + b"\0" for name in taken)
            git(self.top, "update-index", "-z", "--add", "--remove", "--replace", "--stdin", given=names, own=own)
            content = git(self.top, *DIFF, *PLAIN, self.commit, own=own)
        if _holds_secret(content):
            return Patch(
                b"", {**left_out, "*": "what was removed since the commit holds the value of a secret variable"}
            )
        return Patch(content, left_out)

    def _sorted_out(self, names: Iterable[bytes], but: Path | None) -> tuple[list[bytes], dict[str, str]]:
        """The files that the patch takes, and those that it leaves out with the reason."""
        taken, left_out, room = list[bytes](), dict[str, str](), LARGEST_PATCH
        for name in names:
            file = self.top / os.fsdecode(name)
            if _of_a_run(file, self.top, but) or (file.is_dir() and not _is_repository(file) and not file.is_symlink()):
                continue
            reason = _reason_against(file, self.top, room)
            if reason:
                left_out[redacted(name.decode(errors="replace"))] = reason
            else:
                taken.append(name)
                room -= file.lstat().st_size if os.path.lexists(file) else 0
        return taken, left_out


def checkout_of(file: Path) -> Checkout | None:
    """The checkout that `file` is a tracked file of; none if there is no such, or no git."""
    try:
        words = ("--path-format=absolute", "--show-toplevel", "--git-path", "objects", "HEAD", "--abbrev-ref", "HEAD")
        top, objects, commit, branch = os.fsdecode(git(file.parent, "rev-parse", *words)).splitlines()
        git(file.parent, "ls-files", "--error-unmatch", "--", file.name)
    except (GitFailed, ValueError):
        return None
    return Checkout(Path(top), Path(objects), commit, None if branch == "HEAD" else branch)


def _reason_against(file: Path, top: Path, room: int) -> str | None:
    """Why the patch must not hold this file; none if it may."""
    if is_secret_file(str(file.relative_to(top))):
        return "named as secrets are"
    if not os.path.lexists(file) or file.is_symlink():
        return None
    if file.is_dir():
        return "a repository of its own"
    if not file.is_file() or not os.access(file, os.R_OK):
        return "cannot be read"
    return _reason_inside(file, file.stat().st_size, room)


def _reason_inside(file: Path, size: int, room: int) -> str | None:
    if size > LARGEST_FILE:
        return f"{size} bytes, more than {LARGEST_FILE}"
    if size > room:
        return f"the patch would be larger than {LARGEST_PATCH} bytes"
    return "holds the value of a secret variable" if _holds_secret(file.read_bytes()) else None


def _of_a_run(file: Path, top: Path, but: Path | None) -> bool:
    """Whether the file lies in `but`, or in a run directory inside the checkout: a product, not code."""
    if but is not None and file.is_relative_to(but):
        return True
    inside: Iterator[Path] = (folder for folder in file.parents if folder != top and folder.is_relative_to(top))
    return any((folder / "run.yaml").is_file() for folder in inside)


def _is_repository(folder: Path) -> bool:
    return (folder / ".git").exists()


def _holds_secret(content: bytes) -> bool:
    return any(value.encode(errors="surrogateescape") in content for value in secret_values())
