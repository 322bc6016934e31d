"""What the op in each slot owes, tried out before it is used; hands names on."""

from trainer.engine.conformance.clause import Verdict
from trainer.engine.conformance.kit import SLOTS, clauses, conform, require_conformance

__all__ = ["SLOTS", "Verdict", "clauses", "conform", "require_conformance"]
