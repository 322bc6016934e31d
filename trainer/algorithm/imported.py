"""A user's own op, named by where it can be imported; it is never loaded before it is used."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from trainer.plain.model import FrozenModel
from trainer.plain.refusal import Refused

# A module's name may begin with a digit, as a numbered script's does: it is not written in an `import` here.
TARGET = r"^\w+(\.\w+)*:[A-Za-z_]\w*$"


class Imported(FrozenModel):
    """A function, a class or an object of one's own that does what a slot asks for."""

    target: str = Field(pattern=TARGET, description="`module:name` of a function, a class or a callable object.")
    params: dict[str, Any] = Field(default={}, description="Keyword arguments: of the class, or of every call.")

    def __call__(self, given: Any) -> Any:
        """Load and call."""
        return self.load()(given)

    def load(self) -> Callable[[Any], Any]:
        """The op itself; raises `Refused` where there is none, or where it does not take the parameters."""
        module_name, _, name = self.target.partition(":")
        try:
            found = getattr(import_module(module_name), name)
        except Exception as error:  # whatever a user's module does when it is imported
            raise Refused.one("target", self.target, f"cannot be imported: {type(error).__name__}: {error}") from error
        try:
            op = found(**self.params) if isinstance(found, type) else self._with_params(found)
        except (ValidationError, TypeError) as error:
            raise Refused.one("params", str(self.params), f"{self.target} does not take them: {error}") from error
        if not callable(op):
            raise Refused.one("target", self.target, f"is {type(op).__name__}, and cannot be called")
        return op

    def _with_params(self, found: Any) -> Any:
        return partial(found, **self.params) if self.params else found

    def sources(self) -> dict[str, Path]:
        """The Python files that must travel with a run for the target to be importable there, by their relative place.

        A module's own file; of a package, all its files; nothing of what is installed, which has a version. Raises
        `Refused` where no such module is found here. Nothing is imported.
        """
        top = self.target.partition(":")[0].partition(".")[0]
        found = PathFinder.find_spec(top, [*sys.path, str(Path.cwd())])
        if found is None or (found.origin is None and not found.submodule_search_locations):
            raise Refused.one("target", self.target, f"there is no module {top!r} in the Python path or {Path.cwd()}")
        files = dict(_files(top, found.origin, list(found.submodule_search_locations or ())))
        return {} if any(_is_installed(file) for file in files.values()) else files


def _files(top: str, origin: str | None, folders: list[str]) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for file in sorted(Path(folder).rglob("*.py")):
            yield f"{top}/{file.relative_to(folder)}", file
    if not folders and origin is not None:
        yield f"{top}.py", Path(origin)


def _is_installed(file: Path) -> bool:
    library = Path(sys.modules["os"].__file__ or "").parent
    return "site-packages" in file.parts or file.is_relative_to(library)
