"""Formats `text {field:.2f}` from a value and logs it; a field that is missing or does not format never fails a run."""

import logging
from string import Formatter
from typing import Any

from trainer.pipeline.fields import field_of
from trainer.pipeline.place import Place

_log = logging.getLogger("trainer.pipeline")
_FORMATTER = Formatter()


class LogLine:
    """Logs one line at level INFO, behind the path of its step."""

    def __init__(self, text: str, place: Place) -> None:
        self._parts = list(_FORMATTER.parse(text))
        self._place = place

    def __call__(self, value: Any) -> None:
        """Log the line for `value`; nothing is formatted when INFO is off."""
        if _log.isEnabledFor(logging.INFO):
            line = "".join(f"{text}{_field(value, *field)}" for text, *field in self._parts)
            _log.info("%s: %s", self._place.path(), line)


def _field(value: Any, name: str | None, spec: str | None, conversion: str | None) -> str:
    if name is None:
        return ""
    try:
        shown = _FORMATTER.convert_field(field_of(value, name) if name else value, conversion)
        return format(shown, spec or "")
    except Exception:
        return f"<no {name}>"
