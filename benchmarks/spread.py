"""A median and the quartiles around it, as tables show them; never a mean."""

from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Spread:
    """A median and the quartiles around it."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        """Of at least two values."""
        low, _, high = quantiles(values, n=4)
        return cls(low, median(values), high)

    def shown(self, factor: float, digits: int) -> str:
        """The median and the quartiles, each times `factor`."""
        low, middle, high = (f"{value * factor:.{digits}f}" for value in (self.low, self.middle, self.high))
        return f"{middle} ({low}–{high})"
