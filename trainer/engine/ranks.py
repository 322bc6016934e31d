"""Several processes that train one agent together: whose part is whose, and how it is exchanged; never what is learned.

Everything that knows torch.distributed is here. Tensors on GPUs go by NCCL, all else by gloo.
"""

import json
import signal
import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from trainer.contract import Refused
from trainer.stopping import Cancelled

TIMEOUT = timedelta(minutes=10)
"""How long a process waits for the others, at the start and in each exchange; a checkpoint is written in less."""
SECONDS_FOR_WORDS = 5.0
T = TypeVar("T")
Words = tuple[str, str]  # cancelled, failed or lost; what happened


class RankFailed(RuntimeError):
    """Another process of this training failed, or is gone; what is left of them cannot go on."""


class Ranks:
    """This process among `count` that train together; `Ranks()` is one alone, for which nothing is sent or copied."""

    def __init__(self, index: int = 0, count: int = 1, local_index: int = 0, store: Store | None = None) -> None:
        self.index = index
        self.count = count
        self.local_index = local_index
        self.whole = True
        self._store = store
        self._stopping = False

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.count == 1

    @property
    def first(self) -> bool:
        """Whether this is the one that reports and writes files."""
        return self.index == 0

    def place(self, device: torch.device) -> torch.device:
        """This process's own GPU where `device` is one; raises `Refused` where there is none for it."""
        if self.alone or device.type != "cuda":
            return device
        gpus = torch.cuda.device_count()
        if device.index is not None:
            why = "several processes cannot train on one GPU; use `cuda` or `auto`, and each takes one of its own"
            raise Refused.one("system.device", str(device), why)
        if self.local_index >= gpus:
            why = f"this machine has {gpus} GPUs; start no more processes on it (torchrun --nproc-per-node {gpus})"
            raise Refused.one("LOCAL_RANK", self.local_index, why)
        torch.cuda.set_device(self.local_index)
        return torch.device("cuda", self.local_index)

    def share(self, things: int, path: str = "trainer.num_envs") -> range:
        """This process's part of `things`, in one piece; raises `Refused` for `path` where they do not divide."""
        if things % self.count:
            near = [count for count in range(1, self.count) if things % count == 0][-3:]
            why = f"cannot be divided among {self.count} processes, and each takes an equal part; "
            why += f"use a multiple of {self.count}, or start {' or '.join(map(str, near))}"
            raise Refused.one(path, things, why)
        size = things // self.count
        return range(self.index * size, (self.index + 1) * size)

    def own(self, things: Sequence[T]) -> Sequence[T]:
        """This process's part of `things`, of which there is one for each environment."""
        if self.alone:
            return things
        share = self.share(len(things))
        return things[share.start : share.stop]

    def mean_(self, tensor: Tensor) -> None:
        """Put the mean over all processes in the tensor's place, the same bits in each."""
        if not self.alone:
            self._together(dist.all_reduce, tensor)
            tensor.div_(self.count)

    def same_(self, tensors: Iterable[Tensor]) -> None:
        """Put what the first process has in the place of each tensor."""
        if not self.alone:
            for tensor in tensors:
                self._together(dist.broadcast, tensor, 0)

    def gather(self, tensor: Tensor) -> Tensor:
        """The parts (T, n, *) of all processes as one (T, N, *)."""
        if self.alone:
            return tensor
        if tensor.numel() == 0:
            return torch.cat([tensor] * self.count, 1)
        own = tensor.contiguous()
        parts = [torch.empty_like(own) for _ in range(self.count)]
        self._together(dist.all_gather, parts, own)
        return torch.cat(parts, 1)

    def gather_array(self, array: NDArray[Any]) -> NDArray[Any]:
        """The same for arrays."""
        return array if self.alone else self.gather(torch.from_numpy(np.ascontiguousarray(array))).numpy()

    def gather_objects(self, value: T) -> list[T]:
        """What each process gives, in their order."""
        if self.alone:
            return [value]
        values: list[Any] = [None] * self.count
        self._together(dist.all_gather_object, values, value)
        return values

    def require_equal(self, digest: Callable[[], str]) -> None:
        """Raise `RankFailed` unless all processes hold the same."""
        if not self.alone and len(set(found := self.gather_objects(digest()))) > 1:
            why = "the processes hold different weights, though each made the same steps: do their machines differ"
            raise RankFailed(f"{why} in processor, GPU or packages? {dict(enumerate(found))}")

    def from_first(self, make: Callable[[], T]) -> T:
        """What `make` gives the first process, for all; the others wait, and end where it fails."""
        if self.alone:
            return make()
        if not self.first:
            made, words = self._sent(None)
            if words is not None:
                raise _raised(words)
            return made
        try:
            made = make()
        except BaseException as error:
            with suppress(RankFailed):
                self._sent((None, self._words(error)))
            raise
        self._sent((made, None))
        return made

    def ask_to_stop(self, *_: object) -> None:
        """Pass on to the first process that this one was told to stop: that one decides when all leave."""
        with suppress(RuntimeError):
            if self._store is not None:
                self._store.set("stop", "")

    def heed(self) -> None:
        """In the first process, take it for told to stop, once, if another one was."""
        if self._store is not None and not self._stopping and self._store.check(["stop"]):
            self._stopping = True
            signal.raise_signal(signal.SIGTERM)

    @contextmanager
    def last_words(self) -> Generator[None]:
        """Leave a word for the others where the block fails: they are about to lose this process."""
        try:
            yield
        except BaseException as error:
            self.whole = False
            if self._store is not None:
                with suppress(RuntimeError):
                    self._store.set(f"words/{self.index}", json.dumps(self._words(error)))
            raise

    def _sent(self, given: Any) -> Any:
        box = [given]
        self._together(dist.broadcast_object_list, box, 0)
        return box[0]

    def _together(self, collective: Callable[..., Any], *arguments: Any) -> None:
        try:
            collective(*arguments)
        except RuntimeError as error:
            self.whole = False
            raise _raised(self._heard(error)) from error

    def _words(self, error: BaseException) -> Words:
        if isinstance(error, Cancelled | KeyboardInterrupt):
            return "cancelled", "told to stop"
        kind = "lost" if isinstance(error, RankFailed) else "failed"
        return kind, f"rank {self.index} of {self.count} failed: {type(error).__name__}: {error}"

    def _heard(self, error: RuntimeError) -> Words:
        """The last words of the one that was lost first; where it left none, what the loss looked like from here."""
        end, words = time.monotonic() + SECONDS_FOR_WORDS, self._words_of_others()
        while not any(kind != "lost" for kind, _ in words) and time.monotonic() < end:
            time.sleep(0.1)
            words = self._words_of_others()
        unknown = "another process of this training is gone and left no word (killed, out of memory, or its machine "
        unknown += f"or the network is down; after {TIMEOUT} without a word it counts as gone): {error}"
        return min(words, key=lambda found: found[0] == "lost", default=("lost", unknown))

    def _words_of_others(self) -> list[Words]:
        keys = [f"words/{index}" for index in range(self.count) if index != self.index]
        # The store lives in the first process or in torchrun, and may be gone itself.
        with suppress(RuntimeError):
            if self._store is not None:
                return [tuple(json.loads(self._store.get(key))) for key in keys if self._store.check([key])]
        return []


@contextmanager
def joined(environment: Mapping[str, str]) -> Generator[Ranks]:
    """This process among those that torchrun started, all of them connected; raises `RankFailed` if some never come."""
    index, count, local_index = (_number(environment, name) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    try:
        store = next(iter(rendezvous("env://", timeout=TIMEOUT)))[0]
        dist.init_process_group(backend, store=store, rank=index, world_size=count, timeout=TIMEOUT)
    except (RuntimeError, ValueError) as error:
        where = f"{environment.get('MASTER_ADDR')}:{environment.get('MASTER_PORT')}"
        why = f"rank {index} of {count} found not all others at {where} within {TIMEOUT}; are all started, is the port"
        raise RankFailed(f"{why} open between their machines? {error}") from error
    ranks = Ranks(index, count, local_index, PrefixStore("axiom", store))
    try:
        yield ranks
    finally:
        # Left to the end of Python, its threads may abort the process. What waits for a lost one would wait here too:
        # then the end of this process closes its connections.
        if ranks.whole:
            dist.destroy_process_group()


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "")
    if not text.isdecimal():
        why = "several processes train together, and each must know its number; start them with torchrun, which sets it"
        raise Refused.one(name, text, why)
    return int(text)


def _raised(words: Words) -> BaseException:
    kind, text = words
    return Cancelled() if kind == "cancelled" else RankFailed(text)
