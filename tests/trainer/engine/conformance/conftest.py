"""What every test of a contract asks: that a wrong op is told the clause that it breaks, and that none is missing."""

import pytest

from trainer.engine.conformance import clauses, conform
from trainer.engine.conformance.clause import sentence


@pytest.fixture
def assert_told():
    """The op breaks this clause, with a reason, and of the others only those that are named `along` with it."""

    def tell(slot, clause, op, *along):
        broken = {verdict.clause: verdict.why for verdict in conform(slot, op) if not verdict.held}
        assert broken.keys() == {sentence(clause), *map(sentence, along)}
        assert broken[sentence(clause)], "a reason"

    return tell


@pytest.fixture
def assert_all_broken():
    """The table has a wrong op for each clause."""

    def compare(slot, table):
        assert {sentence(clause) for clause, *_ in table} == set(clauses(slot))

    return compare
