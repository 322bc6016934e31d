"""What a spec declares in its slots."""

import pytest

from trainer.contract import OptimizerConfig
from trainer.contract.declared import declared_ops, optimizer_op


@pytest.mark.parametrize("kind", ["adam", "adamw", "sgd", "muon"])
def test_the_specs_optimizer_is_the_op_of_that_name_with_its_parameters(kind):
    op = optimizer_op(OptimizerConfig(type=kind, beta1=0.8, weight_decay=0 if kind == "adam" else 0.25))
    assert op.name == kind
    assert 0.8 in {getattr(op, "beta1", None), getattr(op, "momentum", None)}
    assert kind == "adam" or getattr(op, "weight_decay", None) == 0.25


def test_every_op_is_declared_in_its_own_slot():
    assert {slot: op.slot for slot, op in declared_ops(OptimizerConfig()).items()} == {
        slot: slot for slot in declared_ops(OptimizerConfig())
    }
