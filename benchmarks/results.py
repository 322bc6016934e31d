"""Keeps each benchmark's newest table in RESULTS.md, with machine, versions and date; never edits another section."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
HEADING = "# Results\n\nEach section is written by one run of `python -m benchmarks NAME` (`make bench`: all).\n"
PACKAGES = ("torch", "gymnasium", "mettagrid", "dagster")


class NotMeasured(str):
    """A section that says why there is none; what was measured elsewhere stays."""

    __slots__ = ()


def keep(name: str, section: str, results: Path = RESULTS) -> None:
    """Replace the section of this name, or add it; one that was not measured replaces none."""
    text = results.read_text() if results.exists() else HEADING
    if isinstance(section, NotMeasured) and f"\n## {name}\n" in text:
        return
    block = f"## {name}\n\n{section}\n\n{_circumstances()}\n\n"
    pattern = re.compile(rf"^## {re.escape(name)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    text = pattern.sub(lambda _: block, text) if pattern.search(text) else f"{text.rstrip()}\n\n{block}"
    results.write_text(f"{text.rstrip()}\n")


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _circumstances() -> str:
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"*{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}, {platform.system()}), "
        f"Python {platform.python_version()}, {versions}.*"
    )
