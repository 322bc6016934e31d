"""The recurrent core between encoder and heads, if there is one; its memory is cleared where an episode starts."""

import torch
from torch import Tensor, nn

from trainer.contract import AgentConfig


class Memoryless(nn.Module):
    """No core: features pass, and the state is empty."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def initial_state(self, slots: int) -> Tensor:
        """An empty state (0, N, 0)."""
        return torch.zeros(0, slots, 0)

    def forward(self, features: Tensor, state: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """The same features (T, N, H) and state."""
        return features, state


class RecurrentCore(nn.Module):
    """A GRU (Cho et al. 2014, arXiv:1406.1078) or LSTM (Hochreiter & Schmidhuber 1997) of one layer.

    The state is (1, N, S) for a GRU, (2, N, S) for an LSTM: hidden, then cell.
    """

    def __init__(self, kind: str, size_in: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.cell = nn.GRUCell(size_in, size) if kind == "gru" else nn.LSTMCell(size_in, size)
        for name, parameter in self.cell.named_parameters():
            nn.init.orthogonal_(parameter) if "weight" in name else nn.init.zeros_(parameter)

    def initial_state(self, slots: int) -> Tensor:
        """Zeros."""
        layers = 1 if isinstance(self.cell, nn.GRUCell) else 2
        return torch.zeros(layers, slots, self.size)

    def forward(self, features: Tensor, state: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """Features (T, N, H) to (T, N, S) and the state after them; `starts` (T, N): a new episode begins there."""
        outputs: list[Tensor] = []
        for step, start in zip(features, starts, strict=True):
            state = state * (~start).unsqueeze(-1)
            if isinstance(self.cell, nn.GRUCell):
                state = self.cell(step, state[0]).unsqueeze(0)
            else:
                state = torch.stack(self.cell(step, (state[0], state[1])))
            outputs.append(state[0])
        return torch.stack(outputs), state


def build_core(config: AgentConfig, size_in: int) -> Memoryless | RecurrentCore:
    """The core that the config names."""
    return Memoryless(size_in) if config.core == "none" else RecurrentCore(config.core, size_in, config.core_size)
