"""What a spec declares in each slot that nothing overrides; it never loads an override."""

from collections.abc import Mapping

from trainer.algorithm.declaration import DECLARED
from trainer.contract.trainer_config import OptimizerConfig
from trainer.ops.adam import Adam
from trainer.ops.adamw import AdamW
from trainer.ops.muon import Muon
from trainer.ops.op import Op, OptimizerOp
from trainer.ops.sgd import Sgd


def declared_ops(optimizer: OptimizerConfig) -> Mapping[str, Op]:
    """The op in each slot: `adam_step` is the spec's optimizer."""
    return {**DECLARED, "adam_step": optimizer_op(optimizer)}


def optimizer_op(config: OptimizerConfig) -> OptimizerOp:
    """The op that the spec's optimizer names, with its parameters."""
    adam = {"beta1": config.beta1, "beta2": config.beta2, "eps": config.eps}
    match config.type:
        case "adam":
            return Adam(**adam)
        case "adamw":
            return AdamW(**adam, weight_decay=config.weight_decay)
        case "sgd":
            return Sgd(momentum=config.beta1, weight_decay=config.weight_decay)
        case "muon":
            return Muon(momentum=config.beta1, weight_decay=config.weight_decay, adam=Adam(**adam))
