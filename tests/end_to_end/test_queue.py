"""The run queue on a real webserver and daemon: a pool of one trains one run at a time."""

import time
from collections.abc import Callable
from typing import Any

import pytest

UNDER_WAY, ENDED = {"STARTING", "STARTED"}, {"SUCCESS", "FAILURE", "CANCELED"}


@pytest.mark.slow
def test_a_pool_of_one_trains_one_run_at_a_time(web: Any, tiny: Callable[..., Any]) -> None:
    def limit(number: int) -> None:
        done = web.home.run("dagster", "instance", "concurrency", "set", "training", str(number))
        assert done.returncode == 0, done.stderr

    limit(1)
    web.home.hold.at({"queued_*": 1})
    overrides, held = {"overrides": web.home.hold.overrides}, True
    try:
        runs = [web.launch(tiny(f"queued_{number}") | overrides) for number in range(2)]
        end, seen = time.monotonic() + 240, set[tuple[str, ...]]()
        while not {web.status(run) for run in runs} <= ENDED:
            assert time.monotonic() < end, seen
            seen.add(tuple(web.status(run) for run in runs))
            if held and ("STARTED", "QUEUED") in seen:
                web.home.hold.release()
                held = False
            time.sleep(0.3)
    finally:
        limit(100)
    assert all(web.status(run) == "SUCCESS" for run in runs)
    assert ("STARTED", "QUEUED") in seen
    assert not any(set(statuses) <= UNDER_WAY for statuses in seen)
