"""What a step, a minibatch and an update cost in calls and bytes stays below bounds that no noise reaches."""

from dataclasses import asdict

import pytest

from benchmarks.costs import MINIBATCH, STEP, UPDATE, Cost, costs_of

# `python -m benchmarks costs` shows what they are now. Raise a bound only on purpose, and lower it with what it bounds.
MOST: dict[str, dict[str, Cost]] = {
    "CartPole-v1": {
        STEP: Cost(calls=64, operations=3.4, made=540, held=117),
        MINIBATCH: Cost(calls=290, operations=86, made=270, held=54),
        UPDATE: Cost(calls=11_800, operations=1210, made=1080, held=123),
    },
    "arena": {
        STEP: Cost(calls=369, operations=51, made=2630, held=680),
        # The gradient of the tokens' embedding is numpy's memory and scipy's calls; torch's sort of all tokens is gone.
        MINIBATCH: Cost(calls=620, operations=186, made=8_860, held=1_290),
        UPDATE: Cost(calls=53_300, operations=8_040, made=20_100, held=1_530),
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
