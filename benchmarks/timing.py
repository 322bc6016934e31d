"""Times a method where it is called, in the run that is measured; what the method does stays as it is."""

import time
from collections.abc import Callable
from typing import Any


def timed(method: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """The same method, which adds the seconds of each call to `seconds`."""

    def call(*given: Any) -> Any:
        began = time.perf_counter()
        result = method(*given)
        seconds.append(time.perf_counter() - began)
        return result

    return call
