"""A step that calls a method of the value by its name, so that pipelines can be declared far from what runs them."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Method:
    """`Method("learn")(x, y)` is `x.learn(y)`; the class of `x` need not be loaded where the pipeline is declared."""

    name: str

    def __call__(self, x: Any, *given: Any) -> Any:
        """Call."""
        return getattr(x, self.name)(*given)
