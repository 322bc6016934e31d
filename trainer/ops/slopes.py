"""A number whose gradient is known; autograd finds the same, and whoever asks here need not wait for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class _Known:
    node: Any
    measured: "Sequence[Tensor]"
    slopes: "Sequence[Tensor]"


def with_slopes(number: "Tensor", measured: "Sequence[Tensor]", slopes: "Sequence[Tensor]") -> "Tensor":
    """The number as one that depends on what was measured, (B,) each; `slopes`, (B,) each, are its gradient by it."""
    first, *others = (each.dot(slope) for each, slope in zip(measured, slopes, strict=True))
    # Its gradient is the known one; its value, which autograd does not keep, becomes that of the number.
    made: Any = sum(others, first)
    made.detach().copy_(number)
    made.known = _Known(made.grad_fn, measured, slopes)
    return made


def slopes_of(number: "Tensor", measured: "Sequence[Tensor]") -> "Sequence[Tensor] | None":
    """What `with_slopes` was told; none where the number was made otherwise, changed since, or made of others."""
    known: _Known | None = getattr(number, "known", None)
    if known is None or known.node is not number.grad_fn:
        return None
    return known.slopes if all(one is other for one, other in zip(known.measured, measured, strict=True)) else None
