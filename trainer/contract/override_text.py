"""Overrides as text, as a command line gives them: read into a spec, or refused; no op is loaded for it.

`PATH=IMPLEMENTATION`, `PATH=IMPLEMENTATION:PARAM=VALUE,PARAM=VALUE`, `PATH=module:name`, or that with `:PARAM=VALUE`
behind it. What follows the first colon of a choice is a parameter if a `=` comes next, else the name of one's own op.
Values are YAML, so that lists and mappings may stand in them.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from trainer.algorithm.overrides import IMPORTED, Choice, accepted_overrides
from trainer.contract.spec import TrainAndEvalSpec
from trainer.plain.refusal import Refused

OPTION = "--override"
FORM = "PATH=IMPLEMENTATION[:PARAM=VALUE,…] or PATH=module:name[:PARAM=VALUE,…]"

_OWN = re.compile(r"(?P<target>[\w.]+:[^\W\d]\w*)(?::(?P<params>.*))?\Z", re.DOTALL)
_OPEN, _CLOSE, _QUOTES = "[{(", "]})", "'\""


class _Values(yaml.SafeLoader):
    """YAML 1.1, with `1e-3` a number as in YAML 1.2."""


_Values.add_implicit_resolver(  # pyright: ignore[reportUnknownMemberType]
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+\Z"), list("-+.0123456789")
)


def set_overrides(spec: TrainAndEvalSpec, assignments: Iterable[str]) -> TrainAndEvalSpec:
    """A copy of `spec` with each assigned override, which replaces the spec's own at the same path.

    Raises `Refused` with the path and value of what is wrong, and where one path is assigned twice.
    """
    given: dict[str, Choice] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path.strip() or not text.strip():
            raise Refused.one(OPTION, assignment, f"not of the form {FORM}")
        ((whole, choice),) = accepted_overrides({path.strip(): read_choice(path.strip(), text)}).items()
        if whole in given:
            raise Refused.one(OPTION, assignment, f"{whole} is given twice")
        given[whole] = choice
    # Together they may contradict each other: one inside the other.
    overrides = accepted_overrides({**spec.overrides, **given})
    return TrainAndEvalSpec.accept({**spec.plain(), "overrides": overrides}) if given else spec


def read_choice(path: str, text: str) -> Choice:
    """The choice that `text` spells, as data; whether there is such an implementation is not asked."""
    own = _OWN.match(text.strip())
    if own:
        return {IMPORTED: {"target": own["target"], "params": dict(_params(path, own["params"]))}}
    name, _, params = text.strip().partition(":")
    return {name.strip(): dict(_params(path, params))}


def _params(path: str, text: str | None) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for part in _split(text or ""):
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier():
            raise Refused.one(path, part, f"not of the form PARAM=VALUE; {OPTION} takes {FORM}")
        if name in seen:
            raise Refused.one(f"{path}.{name}", value, "is given twice")
        seen.add(name)
        yield name, _value(f"{path}.{name}", value)


def _value(path: str, text: str) -> Any:
    try:
        return yaml.load(text, _Values)
    except yaml.YAMLError as error:
        raise Refused.one(path, text, f"not a YAML value: {' '.join(str(error).split())}") from None


def _split(text: str) -> Iterator[str]:
    """The parts between commas that stand in no bracket and no quotes; nothing of an empty text."""
    depth, quote, start = 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in _QUOTES:
            quote = letter
        elif letter in _OPEN + _CLOSE:
            depth += 1 if letter in _OPEN else -1
        elif letter == "," and depth == 0:
            yield text[start:place]
            start = place + 1
    if text.strip():
        yield text[start:]
