"""A clause is one sentence about an op and a function that looks for what breaks it; it never repairs anything."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from trainer.pipeline.steps import Function

Findings = Iterator[str]
"""What breaks a clause, in words; nothing if it holds. Only the first is asked for."""

Clause = Callable[[Function], Findings]
"""Tries the op on fresh batches. Its docstring is the sentence; what it raises breaks it too."""


@dataclass(frozen=True)
class Verdict:
    """Whether an op keeps a clause; `why` is what was found if it does not, else empty."""

    clause: str
    held: bool
    why: str


@dataclass(frozen=True)
class Contract:
    """All that is owed in one slot; without the premises there is no sense in looking at the rest."""

    premises: tuple[Clause, ...]
    clauses: tuple[Clause, ...]

    def sentences(self) -> tuple[str, ...]:
        """Every clause in words."""
        return tuple(sentence(clause) for clause in (*self.premises, *self.clauses))

    def examine(self, op: Function) -> Iterator[Verdict]:
        """One verdict for each clause, up to the first premise that is broken."""
        for premise in self.premises:
            verdict = judge(premise, op)
            yield verdict
            if not verdict.held:
                return
        for clause in self.clauses:
            yield judge(clause, op)


def judge(clause: Clause, op: Function) -> Verdict:
    """Try the op; whatever it raises is a finding."""
    try:
        why = next(clause(op), "")
    except Exception as error:
        why = raised(error)
    return Verdict(sentence(clause), not why, why)


def sentence(clause: Clause) -> str:
    """The clause in words, without a full stop, so that a reason can follow."""
    function = clause.func if isinstance(clause, partial) else clause
    # Under `python -OO` there are no docstrings; the function's name says the same in fewer words.
    written = " ".join((inspect.getdoc(function) or function.__name__.replace("_", " ")).split())
    return written[0].lower() + written[1:].removesuffix(".")


def raised(error: Exception) -> str:
    """An exception in words."""
    return f"raised {type(error).__name__}: {error}".removesuffix(": ")
