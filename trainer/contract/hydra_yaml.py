"""Plain data as YAML that Hydra reads as the same data, and every other reader too; it never reads any."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import yaml

from trainer.plain.refusal import Refused

PACKAGE = "# @package _global_\n"
"""Where Hydra puts what is in a file: at the top."""
RUN_DIR = "${run_dir}"


class _Dumper(yaml.SafeDumper):
    """Quotes text that Hydra would take for a number, such as `1e5`, though PyYAML alone would not."""


_Dumper.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType]
    "tag:yaml.org,2002:float", re.compile(r"[-+.0-9_:]+([eE][-+]?[0-9]+)?$"), list("-+.0123456789")
)


def hydra_text(data: Mapping[str, Any]) -> str:
    """The data in its own order; ASCII, since YAML folds some characters else."""
    return PACKAGE + yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False)


def hydra_file(data: Mapping[str, Any]) -> str:
    """The same for a file that Hydra composes; raises `Refused` for text that it would fill in with something else."""
    for path, text in _texts(data, ()):
        if "${" in text.replace(RUN_DIR, ""):
            why = (
                f"`${{` begins an interpolation in the YAML that a run begins with, and {RUN_DIR} alone is known there"
            )
            raise Refused.one(".".join(path), text, f"{why}; leave out the `$`")
    return hydra_text(data)


def _texts(data: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text in plain data, with its path."""
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, Mapping):
        for name, inner in cast("Mapping[str, object]", data).items():
            yield from _texts(inner, (*path, name))
    elif isinstance(data, Sequence):
        for place, inner in enumerate(cast("Sequence[object]", data)):
            yield from _texts(inner, (*path, str(place)))
