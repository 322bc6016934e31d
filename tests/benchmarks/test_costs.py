"""What a step, a minibatch and an update cost in calls and bytes stays below bounds that no noise reaches."""

from dataclasses import asdict

import pytest

from benchmarks.costs import MINIBATCH, STEP, UPDATE, Cost, costs_of

# `python -m benchmarks costs` shows what they are now. Raise a bound only on purpose, and lower it with what it bounds.
MOST: dict[str, dict[str, Cost]] = {
    "CartPole-v1": {
        # Held beside the rollout, once for all: a critic's room for 256 rows.
        STEP: Cost(calls=64, operations=3.3, made=10, held=275),
        MINIBATCH: Cost(calls=293, operations=80, made=275, held=55),
        UPDATE: Cost(calls=11_800, operations=1_145, made=560, held=270),
    },
    "arena": {
        STEP: Cost(calls=275, operations=14.5, made=295, held=800),
        # The tokens that are read, the embedding's sums and its gradient are numpy's memory, and torch's nothing.
        MINIBATCH: Cost(calls=480, operations=98, made=4_800, held=470),
        UPDATE: Cost(calls=39_500, operations=2_680, made=9_900, held=960),
    },
}
WHY = {
    "calls": "functions are entered: a small network takes as long as its calls do",
    "operations": "operations of torch are asked for: each costs microseconds, however small",
    "made": "bytes of new memory for an agent-step are results of torch: what is made is written and read",
    "held": "bytes for an agent-step are held by Python and numpy: a rollout may be held once, and not in copies",
}


@pytest.mark.parametrize("environment", MOST)
def test_a_step_a_minibatch_and_an_update_cost_no_more_calls_and_bytes_than_their_bounds(environment: str) -> None:
    found = costs_of(environment)
    over = [
        f"{environment}, {what}: {cost:.2f} {WHY[name]} (at most {most:g})"
        for what, mosts in MOST[environment].items()
        for (name, cost), most in zip(asdict(found[what]).items(), asdict(mosts).values(), strict=True)
        if cost > most
    ]
    assert not over, "\n".join(over)
