"""Pictures of pages for docs/, taken by the browser tests; only where AXIOM_PICTURES names a folder."""

import os
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "AXIOM_PICTURES"


def save(browser: Any, name: str) -> None:
    """Save what the browser shows as `name.png`, or do nothing."""
    if folder := os.environ.get(FOLDER_VARIABLE):
        Path(folder).mkdir(parents=True, exist_ok=True)
        assert browser.save_screenshot(str(Path(folder) / f"{name}.png"))
