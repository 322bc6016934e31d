"""Every figure has the same bytes twice, reads well on light and on dark pages, and admits what it does not know."""

import math
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from assets.figures import (
    DARK,
    LIGHT,
    Curve,
    Picture,
    Theme,
    evaluation_chart,
    exposure_diagram,
    health,
    learning_curve,
    seeds_curve,
    throughput,
)
from assets.figures.exposure import boxes_of
from assets.figures.series import Series
from trainer.algorithm.declaration import train_and_eval

ROWS: list[dict[str, Any]] = [
    {
        "agent_steps": 100 * n,
        "seconds": n * 1.5,
        "charts/SPS": 66.0,
        "overview/reward": None if n < 3 else float(n),
        "losses/entropy": 1 / n,
        "losses/approx_kl": math.nan if n == 4 else 0.01,
    }
    for n in range(1, 9)
]
BOXES = boxes_of(train_and_eval(updates=3), {}, {"train.compute_advantage": "vtrace", "train.optimizer": "own:step"})
CURVES = [Curve("base", seed, "arena", Series([0, 100], [float(seed), 10.0 + seed])) for seed in (1, 2)] + [
    Curve("other", 1, "CartPole-v1", Series([0, 100], [1.0, 2.0]))
]
FIGURES: dict[str, Callable[[], Picture]] = {
    "learning_curve": lambda: learning_curve(ROWS, "a"),
    "evaluation": lambda: evaluation_chart({}, "a"),
    "health": lambda: health(ROWS),
    "throughput": lambda: throughput(ROWS),
    "exposure": lambda: exposure_diagram(BOXES),
    "learning_curves": lambda: seeds_curve(CURVES),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_drawn_twice_has_the_same_bytes(name: str) -> None:
    one, other = FIGURES[name](), FIGURES[name]()
    assert one.name == name
    assert one.svg() == other.svg()
    assert b"<dc:date>" not in one.svg()
    one_png = one.png(DARK)
    assert one_png == other.png(DARK) != one.png(LIGHT)


@pytest.mark.parametrize("name", ["evaluation", "health"])
def test_a_figure_is_drawn_once_and_is_the_same_in_whatever_order_it_is_written(name: str) -> None:
    drawn, given = list[Theme](), FIGURES[name]()

    def draw(theme: Theme) -> Any:
        drawn.append(theme)
        return given.draw(theme)

    png_first, svg_first = Picture("one", "", draw), Picture("other", "", draw)
    files = [*png_first.files().values()]
    assert [svg_first.svg(), svg_first.png()] == [files[1], files[0]]
    assert drawn == [LIGHT, LIGHT]


@pytest.mark.parametrize("name", FIGURES)
def test_a_dark_svg_keeps_the_shapes_and_has_no_light_color_left(name: str) -> None:
    picture = FIGURES[name]()
    light, dark = (ElementTree.fromstring(picture.svg(theme)) for theme in (LIGHT, DARK))
    assert [each.tag for each in light.iter()] == [each.tag for each in dark.iter()]
    text = picture.svg(DARK).decode()
    assert DARK.paper in text
    assert [color for color in LIGHT.colors if color in text] == []


def channels(color: str) -> np.ndarray[Any, Any]:
    """Linear RGB in 0 … 1."""
    values = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2: (L1 + 0.05) / (L2 + 0.05)."""
    low, high = sorted(float(channels(each) @ [0.2126, 0.7152, 0.0722]) for each in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_text_stands_out_from_its_ground(theme: Theme) -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    for color in (theme.ink, theme.faint, theme.agent, theme.random_text, *theme.series):
        assert contrast(color, theme.paper) >= 4.5, color
    assert contrast(theme.on_overridden, theme.overridden) >= 4.5


# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
SEEN_AS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
}


def lab(linear: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """CIE L*a*b* of linear sRGB, white D65."""
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratios = matrix @ np.clip(linear, 0, 1) / [0.9505, 1.0, 1.089]
    x, y, z = np.where(ratios > 0.008856, np.cbrt(ratios), 7.787 * ratios + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
@pytest.mark.parametrize("eyes", SEEN_AS)
def test_the_color_blind_tell_agent_from_random_and_the_first_variants_apart(theme: Theme, eyes: str) -> None:
    def apart(one: str, other: str) -> float:
        seen = [lab(np.array(SEEN_AS[eyes]) @ channels(each)) for each in (one, other)]
        return float(np.linalg.norm(seen[0] - seen[1]))

    assert apart(theme.agent, theme.random) > 25
    first = theme.series[:3]
    assert min(apart(a, b) for a in first for b in first if a < b) > 15


def test_what_was_not_measured_and_what_is_not_a_number_is_said_in_words() -> None:
    words = health(ROWS).alt
    assert "policy loss was not measured" in words
    assert "approximate KL is missing or not a number in 1 of 8 updates" in words
    assert "2 of 8 updates have no reward" in learning_curve(ROWS, "a").alt
    assert "No episode finished in 1 updates" in learning_curve([{"agent_steps": 1}], "a").alt
    assert throughput([]).alt == "Throughput was not measured."
    assert "no simulation was evaluated" in evaluation_chart({}, "a").alt


def test_the_exposure_diagram_names_what_is_exposed_and_overridden_and_leaves_out_what_does_not_run() -> None:
    words = exposure_diagram(BOXES).alt
    assert "Overridden: train.compute_advantage by vtrace; train.optimizer by own:step." in words
    paths = [box.path for box in BOXES]
    assert "train.optimizer" in paths
    assert not any(path.startswith("train.optimizer.") for path in paths)
    (loop,) = [box for box in BOXES if box.path == "train.updates"]
    (inside,) = [box for box in BOXES if box.path == "train.rollout"]
    assert (loop.words, inside.depth - loop.depth) == ("updates × 3", 1)


def test_seeds_have_an_interval_and_one_seed_says_that_it_has_none() -> None:
    words = seeds_curve(CURVES).alt
    assert "arena: base ends at 11.5 [5.147, 17.85]" in words
    assert "CartPole-v1: other ends at 2 (one seed: no interval)" in words
    silent = Curve("silent", 1, "arena", Series([0.0], [math.nan]))
    assert "silent has no finished episode" in seeds_curve([silent]).alt
