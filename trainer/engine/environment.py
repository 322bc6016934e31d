"""What this process runs on: the machine, torch and its device, the compute; read from the system, never a secret."""

import os
import sys
from collections.abc import Iterable
from functools import cache

import torch

from trainer.contract import Compute, Environment, SystemConfig, describe_machine, redacted, this_process
from trainer.engine.seeding import CUBLAS_VARIABLE, device_of

KIND_VARIABLE, JOB_VARIABLE = "AXIOM_COMPUTE", "AXIOM_JOB_ID"


def describe_environment(system: SystemConfig, capture: Iterable[str], code_files: str | None) -> Environment:
    """The environment, with the values of the variables in `capture`, as the stage sees it now."""
    device = device_of(system)
    now = {
        "torch_threads": torch.get_num_threads(),
        "device": str(device),
        "cublas_workspace": _value(CUBLAS_VARIABLE) if device.type == "cuda" else None,
        "variables": {name: _value(name) for name in capture},
    }
    return _of_this_process().model_copy(update=now).with_fingerprint(code_files)


def describe_compute(world_size: int = 1) -> Compute:
    """The process: what the compute that started it told it to be, else `command` or the caller's own.

    `world_size` is how many processes did the stage together.
    """
    main = getattr(sys.modules["__main__"], "__spec__", None)
    by_hand = "command" if main is not None and main.name == "trainer.__main__" else "in_process"
    job = os.environ.get(JOB_VARIABLE) or None
    return Compute(
        kind=os.environ.get(KIND_VARIABLE) or by_hand, process=this_process(), job_id=job, world_size=world_size
    )


@cache
def _of_this_process() -> Environment:
    """What stays the same for as long as the process lives."""
    cuda = torch.cuda.is_available()
    cudnn = torch.backends.cudnn.version() if cuda else None
    return describe_machine().model_copy(
        update={
            "torch": torch.__version__,
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "cuda": torch.version.cuda,
            "cudnn": None if cudnn is None else str(cudnn),
            "gpu": torch.cuda.get_device_name() if cuda else None,
            "gpu_memory_bytes": torch.cuda.get_device_properties(0).total_memory if cuda else None,
        }
    )


def _value(name: str) -> str | None:
    value = os.environ.get(name)
    return None if value is None else redacted(value)
