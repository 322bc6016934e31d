"""Draws a pipeline as indented text or as a Mermaid flowchart, with exposed and overridden steps marked; never runs it.

An overridden step is drawn with its replacement inside, since what was declared inside it does not run.
"""

from collections.abc import Iterator
from itertools import count, pairwise
from typing import Literal

from trainer.pipeline.identity import label
from trainer.pipeline.steps import Body, Branch, Call, Repeat, Step
from trainer.pipeline.structure import is_hole
from trainer.plain.refusal import Refused, nearest

Format = Literal["text", "mermaid"]

_STYLES = (
    "  classDef exposed stroke:#2563eb,stroke-width:2px",
    "  classDef overridden stroke:#c2410c,stroke-width:2px,stroke-dasharray:5 3",
    "  classDef hole stroke:#b91c1c,stroke-dasharray:2 2",
)


def render(body: Body, form: Format) -> str:
    """The drawing; raises `Refused` for an unknown form."""
    if form == "text":
        return "\n".join([body.name, *_text(body, "  ")])
    if form == "mermaid":
        return "\n".join(_Mermaid().lines(body))
    raise Refused.one("render", form, nearest(form, ("text", "mermaid")))


def _marks(step: Step) -> list[str]:
    """What is said about a step behind its name."""
    marks = [f"{step.kind} x{step.times}" if isinstance(step, Repeat) else step.kind]
    if isinstance(step, Call):
        marks += [str(guard) for guard in step.guards]
    marks += ["exposed"] if step.expose else []
    marks += ["hole"] if is_hole(step) else []
    if step.replacement is not None:
        marks.append(f"overridden by {replacement_name(step.replacement)}")
    return marks


def replacement_name(replacement: object) -> str:
    """The name of what replaces a step."""
    return f"pipeline {replacement.name}" if isinstance(replacement, Body) else label(replacement)


def _running(step: Step) -> Iterator[tuple[str, Body]]:
    """The bodies that run inside a step, each with the name of its arm, if it is one."""
    if isinstance(step.replacement, Body):
        yield "", step.replacement
    elif step.replacement is None:
        for field, child in step.children():
            yield field if isinstance(step, Branch) else "", child


def _text(body: Body, indent: str) -> Iterator[str]:
    for step in body.steps:
        yield f"{indent}{step.name} [{', '.join(_marks(step))}]"
        for arm, child in _running(step):
            if arm:
                yield f"{indent}  {arm}:"
            yield from _text(child, f"{indent}    " if arm else f"{indent}  ")


class _Mermaid:
    """Numbers the nodes, so that equal names at different depths stay apart."""

    def __init__(self) -> None:
        self._numbers = count()

    def lines(self, body: Body) -> Iterator[str]:
        yield "flowchart TD"
        yield from self._chain(body, [], "  ")
        yield from _STYLES

    def _chain(self, body: Body, ids: list[str], indent: str) -> Iterator[str]:
        for step in body.steps:
            ids.append(f"n{next(self._numbers)}")
            yield from self._node(step, ids[-1], indent)
        for one, next_one in pairwise(ids):
            yield f"{indent}{one} --> {next_one}"

    def _node(self, step: Step, node: str, indent: str) -> Iterator[str]:
        title = f'"{step.name}<br/>{_escaped(", ".join(_marks(step)))}"'
        bodies = [(arm, child) for arm, child in _running(step) if child.steps]
        if bodies:
            yield f"{indent}subgraph {node} [{title}]"
            for arm, child in bodies:
                yield from self._arm(arm, child, node, f"{indent}  ")
            yield f"{indent}end"
        else:
            yield f"{indent}{node}[{title}]"
        yield from (f"{indent}class {node} {style}" for style in _styles(step))

    def _arm(self, arm: str, body: Body, node: str, indent: str) -> Iterator[str]:
        if arm:
            yield f'{indent}subgraph {node}_{arm} ["{arm}"]'
        yield from self._chain(body, [], f"{indent}  " if arm else indent)
        if arm:
            yield f"{indent}end"


def _styles(step: Step) -> list[str]:
    if step.replacement is not None:
        return ["overridden"]
    return ["hole"] if is_hole(step) else ["exposed"] if step.expose else []


def _escaped(text: str) -> str:
    return text.replace("<", "#lt;").replace(">", "#gt;").replace('"', "#quot;")
