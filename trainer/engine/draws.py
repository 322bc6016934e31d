"""Chance for some of the slots: what is drawn for them is their part of one draw for all; it never draws more or less.

So a stream goes on alike in every process that trains, and each slot's chance does not depend on how many there are.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Generator, Tensor
from torch.overrides import TorchFunctionMode

from trainer.engine.ranks import Ranks

FACTORIES = (torch.rand, torch.randn)


class SharedDraws(TorchFunctionMode):
    """While it is entered, torch's draws from `generator` for this rank's n slots are made for all N slots.

    A draw is for slots where its size, or a tensor that it is made from, begins with n; then the whole is drawn and
    the own rows are taken. Any other draw is the same in every rank.
    """

    def __init__(self, generator: Generator, slots: int, ranks: Ranks) -> None:
        super().__init__()
        self._generator = generator
        self._slots = slots
        self._count = ranks.count
        self._own = slice(ranks.index * slots, (ranks.index + 1) * slots)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Widen a draw from the generator; all else passes."""
        named = kwargs or MappingProxyType({})
        if named.get("generator") is not self._generator:
            return func(*args, **named)
        if func in FACTORIES and args and isinstance(args[0], int):
            args = (args,)
        wide = [self._widened(given) for given in args]
        named_wide = {name: self._widened(given) for name, given in named.items()}
        drawn = func(*wide, **named_wide)
        if all(a is b for a, b in zip((*wide, *named_wide.values()), (*args, *named.values()), strict=True)):
            return drawn
        target = cast("Tensor | None", args[0] if func.__name__.endswith("_") else named.get("out"))
        own = drawn[self._own]
        return own if target is None else target.copy_(own)

    def _widened(self, given: Any) -> Any:
        if isinstance(given, Tensor) and given.ndim and len(given) == self._slots:
            return torch.cat([given] * self._count)
        if isinstance(given, tuple | list) and given and given[0] == self._slots:
            return (self._slots * self._count, *given[1:])
        return given
