"""The policy's parameters as one vector, and the ops that clip and step it; it never computes a gradient."""

import torch
from torch import Tensor, nn

from trainer.contract import OptimizerConfig
from trainer.ops.adam import Adam
from trainer.ops.adamw import AdamW
from trainer.ops.muon import Muon
from trainer.ops.op import ClipOp, OptimizerOp
from trainer.ops.sgd import Sgd
from trainer.ops.slots import Gradients, Matrix, OptimizerStep


class Optimizer:
    """Clips and follows the gradients of a policy.

    All parameters become views of one vector and all gradients of another, so that a step is a few operations whatever
    the number of layers.
    """

    def __init__(self, policy: nn.Module, clip_gradients: ClipOp, adam_step: OptimizerOp, max_norm: float) -> None:
        self.clip_gradients, self.adam_step, self.max_norm = clip_gradients, adam_step, max_norm
        self.learning_rate = 0.0
        self.state: dict[str, Tensor] = {}
        named = dict(policy.named_parameters())
        self.parameters = torch.cat([parameter.detach().flatten() for parameter in named.values()])
        self.gradients = torch.zeros_like(self.parameters)
        self.hidden: list[Matrix] = []
        start = 0
        for name, parameter in named.items():
            end = start + parameter.numel()
            parameter.data = self.parameters[start:end].view_as(parameter)
            parameter.grad = self.gradients[start:end].view_as(parameter)
            if _is_hidden_matrix(name, parameter):
                self.hidden.append(Matrix(start, *parameter.shape))
            start = end

    @torch.no_grad()
    def step(self, loss: Tensor) -> Tensor:
        """Follow the gradient of `loss`, clipped; its norm before."""
        self.gradients.zero_()
        with torch.enable_grad():
            loss.backward()
        norm = self.clip_gradients(Gradients(self.gradients, self.max_norm))
        self.adam_step(OptimizerStep(self.parameters, self.gradients, self.learning_rate, self.hidden, self.state))
        return norm


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


def _is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    return parameter.ndim == 2 and not name.startswith("head") and "embedding" not in name
