"""The agent's network, the machine it computes on and the trackers it reports to; plain data, never torch."""

from typing import Literal, Self

from pydantic import Field, model_validator

from trainer.plain.model import FrozenModel


class AgentConfig(FrozenModel):
    """The policy and value networks. Vectors go through an MLP; MettaGrid's tokens through a pooled embedding first."""

    hidden_sizes: tuple[int, ...] = Field(default=(128, 128), min_length=1, description="Widths of the hidden layers.")
    activation: Literal["tanh", "relu"] = Field(default="relu", description="Nonlinearity after each hidden layer.")
    core: Literal["none", "gru", "lstm"] = Field(
        default="none", description="Recurrent core between encoder and heads."
    )
    core_size: int = Field(default=128, ge=1, le=4096, description="Width of the recurrent core.")
    precision: Literal["float32", "bfloat16"] = Field(
        default="float32",
        description="Numbers that encoder and hidden layers multiply; `bfloat16`: mixed precision, all else float32.",
    )


class SystemConfig(FrozenModel):
    """Where tensors are computed."""

    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="`cpu`, `cuda`, `cuda:N`; `auto`: a GPU where there is one. The manifest says which it was.",
    )
    torch_threads: int = Field(
        default=1, ge=1, le=256, description="Threads of torch and numpy on the CPU; part of a result's identity."
    )
    compile: Literal["none", "default", "reduce-overhead"] = Field(
        default="none",
        description="`torch.compile` of each minibatch's forward and backward, in this mode; `reduce-overhead`: with "
        "CUDA graphs, on a GPU. It rounds otherwise, so that it is part of a result's identity.",
    )

    @model_validator(mode="after")
    def _graphs_need_a_gpu(self) -> Self:
        if self.compile == "reduce-overhead" and self.device == "cpu":
            raise ValueError(
                "compile = 'reduce-overhead' records CUDA graphs, and device = 'cpu' has none; "
                "use compile = 'default', or device = 'auto'"
            )
        return self


class WandbConfig(FrozenModel):
    """Tracking by Weights & Biases; offline needs neither key nor network."""

    mode: Literal["auto", "online", "offline", "disabled"] = Field(
        default="auto",
        description="Where metrics are logged to; `auto`: online where a key is at hand (WANDB_API_KEY, netrc), else "
        "offline. `axiom sync` uploads what was offline.",
    )
    project: str = Field(default="axiom", min_length=1, description="W&B project.")
    entity: str | None = Field(default=None, description="W&B user or team; none: the key's default.")
    tags: tuple[str, ...] = Field(default=(), description="Tags of the W&B run.")
    notes: str = Field(default="", description="Notes of the W&B run.")
    log_checkpoints: bool = Field(default=False, description="Whether the final checkpoint becomes a W&B artifact.")
    close_seconds: float = Field(
        default=30.0, ge=0, le=3600, description="How long a stage that has ended waits for its trackers at most."
    )


class TensorBoardConfig(FrozenModel):
    """Tracking by TensorBoard, beside W&B or without it."""

    enabled: bool = Field(default=False, description="Whether scalars are written for TensorBoard.")
    log_dir: str = Field(
        default="${run_dir}/tensorboard", min_length=1, description="Where its files lie; `${run_dir}` is the run's."
    )
