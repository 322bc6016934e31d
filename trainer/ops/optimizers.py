"""The four optimizers behind torch's interface; never decides a learning rate or clips a gradient.

Adam: Kingma & Ba 2015, arXiv:1412.6980. AdamW: Loshchilov & Hutter 2019, arXiv:1711.05101. Muon: Jordan et al. 2024,
"Muon: an optimizer for hidden layers in neural networks".
"""

from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.optim import SGD, AdamW, Muon, Optimizer

from trainer.contract import OptimizerConfig


class Optimizers:
    """Several optimizers, each with its own parameters, stepped and saved as one."""

    def __init__(self, parts: Iterable[Optimizer]) -> None:
        self.parts = tuple(parts)

    def set_learning_rate(self, learning_rate: float) -> None:
        """Use this step size from the next step on."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = learning_rate

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Move every parameter by its gradient."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> list[dict[str, Any]]:
        """The state of each part, in order."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Take the state of each part."""
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


def build_optimizer(config: OptimizerConfig, policy: nn.Module) -> Optimizers:
    """The optimizer that `config` names, over all parameters of `policy`.

    Muon orthogonalizes the momentum of matrices between hidden layers; all else (biases, embeddings, the heads, whose
    parameter names begin with `head`) is stepped by Adam at the same learning rate.
    """
    if config.type != "muon":
        return Optimizers([_plain(config, list(policy.parameters()))])
    hidden = {name for name, parameter in policy.named_parameters() if _is_hidden_matrix(name, parameter)}
    named = dict(policy.named_parameters())
    muon = Muon(
        [named[name] for name in named if name in hidden],
        lr=config.learning_rate,
        momentum=config.beta1,
        weight_decay=config.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    rest = [named[name] for name in named if name not in hidden]
    return Optimizers([muon, _plain(config.model_copy(update={"type": "adam"}), rest)])


def _is_hidden_matrix(name: str, parameter: Tensor) -> bool:
    return parameter.ndim == 2 and not name.startswith("head") and "embedding" not in name


def _plain(config: OptimizerConfig, parameters: list[nn.Parameter]) -> Optimizer:
    if config.type == "sgd":
        return SGD(parameters, config.learning_rate, config.beta1, weight_decay=config.weight_decay, fused=True)
    return AdamW(
        parameters,
        config.learning_rate,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        weight_decay=config.weight_decay if config.type == "adamw" else 0.0,
        fused=True,
    )
