"""Environment steps per second on a GPU: each switch of ours off and on, and a peer on the same GPU, in turns.

Where there is no GPU, nothing is started.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import torch

from benchmarks.environments import SB3 as PEER
from benchmarks.gpu_ours import WAYS
from benchmarks.peer_ours import STEPS
from benchmarks.peers import BASE as SB3
from benchmarks.results import NotMeasured, table
from benchmarks.spread import Spread
from benchmarks.turns import Contender
from benchmarks.utilization import Utilization
from trainer.policies.transfer import sent

NO_GPU = NotMeasured("no GPU on this machine: not measured")
NO_GPU_FOR_PEER = NotMeasured(f"the torch that {SB3} was installed with sees no GPU: not measured")
# Environments and width of the two hidden layers.
SIZES = ((64, 64), (256, 64), (256, 1024))
# A turn is several updates long, since the driver tells the GPU's use over up to a second.
WARMING, ROUNDS, UPDATES_A_TURN = 2, 5, 10
SETTLING_SECONDS = 1.0
TRANSFERS: Mapping[str, torch.Tensor] = {
    "256 × 4 float32": torch.zeros(256, 4),
    "192 × 64 × 3 uint8": torch.zeros(192, 64, 3, dtype=torch.uint8),
}


def gpu() -> str:
    """The speed at each size, then what a step's observations take to reach the GPU."""
    if not torch.cuda.is_available():
        return NO_GPU
    python = PEER.python()
    sees = "import torch; raise SystemExit(not torch.cuda.is_available())"
    if subprocess.run([python, "-c", sees], check=False).returncode:
        return NO_GPU_FOR_PEER
    rows = [row for num_envs, width in SIZES for row in _race(python, num_envs, width)]
    header = (
        "environments × steps, width",
        "training",
        "steps/s, median (quartiles)",
        f"times {SB3}",
        "GPU in use",
        "mean return, one seed",
    )
    return (
        f"{table(header, rows)}\n\nOne {torch.cuda.get_device_name()}. CartPole-v1, 4 epochs of 4 minibatches, two "
        f"networks of two layers with tanh, all settings alike; in turns of {UPDATES_A_TURN} updates, {ROUNDS} each. "
        f"GPU in use: the median of the driver's samples, which is the part of the time in which any kernel ran.\n\n"
        f"{_transfers()}"
    )


def _race(python: str, num_envs: int, width: int) -> list[tuple[str, ...]]:
    words = (num_envs, WARMING + ROUNDS * UPDATES_A_TURN, 0, width)
    contenders = {
        name: Contender(sys.executable, "benchmarks.gpu_ours", (*words, number), os.environ)
        for number, name in enumerate(WAYS)
    }
    contenders[SB3] = Contender(python, "benchmarks.peer_sb3", (*words, 1), os.environ)
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    used: dict[str, list[float]] = {name: [] for name in contenders}
    returns: dict[str, float | None] = {}
    with Utilization.of_gpu() as utilization:
        for contender in contenders.values():
            _updates(contender, WARMING)
        for _ in range(ROUNDS):
            for name, contender in contenders.items():
                began = time.perf_counter()
                told = _updates(contender, UPDATES_A_TURN)
                used[name] += utilization.between(began + SETTLING_SECONDS, time.perf_counter())
                rates[name] += [num_envs * STEPS / update["seconds"] for update in told]
                returns[name] = told[-1]["return"]
    for contender in contenders.values():
        contender.close()
    base = median(rates[SB3])
    size = f"{num_envs} × {STEPS}, {width}"
    return [
        (
            size,
            name,
            Spread.of(found).shown(1, 0),
            f"{median(found) / base:.2f}",
            _share(used[name]),
            f"{returns[name]}",
        )
        for name, found in rates.items()
    ]


def _updates(contender: Contender, count: int) -> list[dict[str, Any]]:
    return [contender.update() for _ in range(count)]


def _share(percents: list[float]) -> str:
    return f"{median(percents):.0f} %" if percents else "not measured: turns are too short"


def _transfers() -> str:
    device = torch.device("cuda")
    ways: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "plain": lambda tensor: tensor.to(device),
        "pinned": lambda tensor: sent(tensor, device),
    }
    times: dict[tuple[str, str], list[float]] = {(what, way): [] for what in TRANSFERS for way in ways}
    for _ in range(1000):
        for what, tensor in TRANSFERS.items():
            for way, send in ways.items():
                began = time.perf_counter()
                send(tensor)
                times[what, way].append(time.perf_counter() - began)
                torch.cuda.synchronize()
    rows = [(what, way, Spread.of(found[100:]).shown(1e6, 1)) for (what, way), found in times.items()]
    return table(("a step's observations", "way up", "µs of the host, median (quartiles)"), rows)
