"""Pictures small enough for metadata that show what was measured and admit what was not."""

import math
from io import BytesIO
from random import Random
from typing import Any

import pytest
from PIL import Image

from assets.figures import evaluation_chart, learning_curve
from trainer.contract import Episode, Interval, SimulationResult

BLUE = (47, 111, 222)
PALE_BLUE = (182, 205, 243)
ORANGE = (224, 138, 60)


def row(update: int, reward: float | None = 1.0) -> dict[str, Any]:
    return {
        "update": update,
        "agent_steps": 8192 * (update + 1),
        "overview/reward": reward,
        "losses/entropy": 1.6 - update * 0.01,
        "losses/approx_kl": 0.01 + 0.002 * (update % 5),
        "losses/explained_variance": None if update == 0 else 0.5,
    }


def result(mean: float, random_mean: float, episodes: int = 12) -> SimulationResult:
    def policy(center: float) -> tuple[Interval, tuple[Episode, ...]]:
        rewards = [center * (1 + 0.2 * math.sin(7 * seed)) for seed in range(episodes)]
        interval = Interval(mean=center, low=0.9 * center, high=1.1 * center)
        return interval, tuple(Episode(seed=s, reward=r, length=500) for s, r in enumerate(rewards))

    (reward, agent), (random_reward, random) = policy(mean), policy(random_mean)
    return SimulationResult(
        mean_reward=mean, reward=reward, random_reward=random_reward, episodes=agent, random_episodes=random
    )


def share(picture: bytes, color: tuple[int, int, int], top: float = 0.0, bottom: float = 1.0) -> float:
    """The part of the pixels between two heights that are near a color."""
    image = Image.open(BytesIO(picture)).convert("RGB")
    image = image.crop((0, int(top * image.height), image.width, int(bottom * image.height)))
    pixels = image.tobytes()
    triples = zip(pixels[::3], pixels[1::3], pixels[2::3], strict=True)
    near = sum(max(abs(a - b) for a, b in zip(pixel, color, strict=True)) < 24 for pixel in triples)
    return near / (image.width * image.height)


def test_a_long_and_noisy_learning_curve_stays_under_the_size_that_metadata_can_carry():
    noise = Random(0)
    losses = ("losses/entropy", "losses/approx_kl", "losses/explained_variance")
    rows = [row(update, noise.gauss(10, 3)) | {name: noise.random() for name in losses} for update in range(400)]
    picture = learning_curve(rows, "long").png()

    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 75_000, "base64 makes it a third longer: 100 kB"


def test_a_learning_curve_draws_the_reward():
    picture = learning_curve([row(update, update / 10) for update in range(100)], "rising").png()

    assert share(picture, BLUE, bottom=0.65) > 0.003


@pytest.mark.parametrize("rows", [[], [row(0, None), row(1, None)]], ids=["no update", "no episode"])
def test_a_run_without_a_finished_episode_shows_no_line(rows: list[dict[str, Any]]):
    assert share(learning_curve(rows, "nothing").png(), BLUE, bottom=0.65) == 0


def test_a_missing_reward_is_a_gap_and_not_a_zero():
    known = [row(update, 5.0) for update in range(100)]
    with_gap = [row(update, None if 30 <= update < 70 else 5.0) for update in range(100)]

    assert share(learning_curve(with_gap, "x").png(), BLUE) < 0.75 * share(learning_curve(known, "x").png(), BLUE)


def test_a_single_update_is_still_visible():
    assert share(learning_curve([row(0, 3.0)], "one").png(), BLUE, bottom=0.65) > 0


def test_updates_between_gaps_are_still_visible():
    rows = [row(update, 3.0 if update % 2 == 0 else None) for update in range(9)]

    assert share(learning_curve(rows, "t").png(), PALE_BLUE, top=0.1, bottom=0.65) > 0.0001


def test_the_same_rows_make_the_same_bytes():
    rows = [row(update) for update in range(20)]

    assert learning_curve(rows, "same").png() == learning_curve(rows, "same").png()


def test_an_evaluation_chart_shows_agent_and_random_policy_of_every_simulation():
    picture = evaluation_chart({"arena/basic": result(19, 1.6), "arena/combat": result(12, 1.5)}, "arena").png()

    assert len(picture) < 100_000
    for top, bottom in ((0.1, 0.48), (0.48, 0.85)):
        assert share(picture, BLUE, top, bottom) > 0.0001
        assert share(picture, ORANGE, top, bottom) > 0.0001


def test_more_simulations_make_a_taller_chart():
    height = [
        Image.open(BytesIO(evaluation_chart({f"sim-{i}": result(2, 1) for i in range(n)}, "t").png())).height
        for n in (1, 4)
    ]

    assert height[1] > 1.5 * height[0]


def test_negative_rewards_are_drawn_too():
    assert share(evaluation_chart({"Acrobot-v1": result(-90, -490)}, "acrobot").png(), BLUE) > 0


def test_no_simulation_makes_an_honest_picture():
    assert share(evaluation_chart({}, "nothing").png(), BLUE) == 0
