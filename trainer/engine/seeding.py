"""Every random stream of a run, derived from one seed by name, so that a new stream never shifts another."""

import os
from collections.abc import MutableMapping
from hashlib import sha256

import torch
from threadpoolctl import threadpool_limits

from trainer.contract import AxiomControls, Refused, SystemConfig

CUBLAS_VARIABLE, REPEATABLE_WORKSPACES = "CUBLAS_WORKSPACE_CONFIG", (":4096:8", ":16:8")
"""NVIDIA, "cuBLAS library", section "Results reproducibility"."""


def stream_seed(seed: int, name: str) -> int:
    """The seed, in [0, 2**63), of the stream called `name` (`env/3`, `policy`, `evaluate/arena/basic/0`)."""
    return int.from_bytes(sha256(f"{seed}/{name}".encode()).digest()[:8]) >> 1


def stream(seed: int, name: str) -> torch.Generator:
    """A CPU generator for the stream called `name`."""
    return torch.Generator().manual_seed(stream_seed(seed, name))


def make_repeatable(controls: AxiomControls, system: SystemConfig) -> torch.device:
    """Seed torch for the policy's first weights, fix threads and algorithms, and choose the device."""
    torch.set_num_threads(system.torch_threads)
    threadpool_limits(system.torch_threads, "blas")  # numpy's, wherever this process got its environment from
    # The same switch as torch.use_deterministic_algorithms, which takes a second to load the compiler for its own one.
    torch.set_deterministic_debug_mode("error" if controls.deterministic else "default")
    torch.manual_seed(stream_seed(controls.seed, "weights"))
    if system.device.startswith("cuda") and not torch.cuda.is_available():
        raise Refused.one("system.device", system.device, "this machine's torch sees no GPU; use `cpu` or `auto`")
    device = device_of(system)
    if controls.deterministic and device.type == "cuda":
        require_repeatable_products(os.environ)
    if system.compile != "none":
        torch.use_deterministic_algorithms(controls.deterministic)
    return device


def require_repeatable_products(environment: MutableMapping[str, str]) -> None:
    """Set what holds cuBLAS to a workspace of its own for each stream, else its sums are taken in any order.

    It must stand before the first product on a GPU. Raises `Refused` where something else is set.
    """
    given = environment.setdefault(CUBLAS_VARIABLE, REPEATABLE_WORKSPACES[0])
    if given not in REPEATABLE_WORKSPACES:
        why = f"products on a GPU would not be repeatable; unset it, or set it to {' or '.join(REPEATABLE_WORKSPACES)}"
        raise Refused.one(CUBLAS_VARIABLE, given, f"{why}; or set controls.deterministic to false")


def device_of(system: SystemConfig) -> torch.device:
    """The device that the spec names, or the one that `auto` is here."""
    here = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(here if system.device == "auto" else system.device)
