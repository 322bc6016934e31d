"""Schedules at points where their value is known."""

import pytest

from trainer.ops.schedules import scheduled


@pytest.mark.parametrize(
    ("schedule", "progress", "value"),
    [
        ("constant", 0.0, 0.3),
        ("constant", 0.9, 0.3),
        ("linear", 0.0, 0.3),
        ("linear", 0.25, 0.225),
        ("linear", 1.0, 0.0),
        ("cosine", 0.0, 0.3),
        ("cosine", 0.5, 0.15),
        ("cosine", 1 / 3, 0.3 * 0.75),
        ("cosine", 1.0, 0.0),
    ],
)
def test_a_schedule_passes_through_its_known_points(schedule, progress, value):
    assert scheduled(0.3, schedule, progress) == pytest.approx(value, abs=1e-12)
