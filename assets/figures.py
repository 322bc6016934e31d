"""Draws results as PNG pictures small enough for metadata; it never reads a file and opens no window."""

# matplotlib types its artists' many keyword arguments only in part.
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from trainer.contract import SimulationResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AGENT, RANDOM, INK, FAINT = "#2f6fde", "#e08a3c", "#23272f", "#8a919e"
PANELS = (
    ("losses/entropy", "entropy", "#7a5cc4"),
    ("losses/approx_kl", "approximate KL", "#c2528b"),
    ("losses/explained_variance", "explained variance", "#2a9d8f"),
)
SMOOTHING = 0.02  # standard deviation of the smoothing kernel, as a part of all updates


def learning_curve(rows: Sequence[Mapping[str, Any]], title: str) -> bytes:
    """A PNG of the episode reward over agent-steps, faint as measured and smoothed, above three losses.

    `rows` are the lines of `metrics.jsonl`. A missing value is a gap; where no episode finished, the picture says so.
    """
    figure = _figure(8.4, 5.2)
    grid = figure.add_gridspec(2, len(PANELS), height_ratios=(2.5, 1))
    steps = [float(row["agent_steps"]) for row in rows]
    _reward_panel(figure.add_subplot(grid[0, :]), steps, _column(rows, "overview/reward"), title)
    for place, (key, label, color) in enumerate(PANELS):
        _small_panel(figure.add_subplot(grid[1, place]), steps, _column(rows, key), label, color)
    return _png(figure)


def evaluation_chart(results: Mapping[str, SimulationResult], title: str) -> bytes:
    """A PNG of each simulation's mean reward with its 95 % interval, agent against random, every episode a dot."""
    figure = _figure(8.4, 1.5 + 1.05 * max(len(results), 1))
    axes = figure.add_subplot()
    axes.set_title(title, loc="left")
    for place, result in enumerate(results.values()):
        for policy, color, offset in (("agent", AGENT, -0.17), ("random policy", RANDOM, 0.17)):
            _policy_row(axes, result, policy, color, place + offset)
    axes.set_yticks(range(len(results)), list(results))
    axes.set_ylim(max(len(results), 1) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelsize=10)
    axes.set_xlabel("episode reward: dots are episodes, the bar the mean's 95 % interval")
    if results:
        _legend(axes)
    else:
        _say(axes, "no simulation")
    return _png(figure)


def _reward_panel(axes: "Axes", steps: list[float], rewards: list[float], title: str) -> None:
    axes.set_title(title, loc="left")
    axes.set_ylabel("episode reward")
    axes.set_xlabel("agent-steps")
    _thousands(axes)
    if all(math.isnan(reward) for reward in rewards):
        _say(axes, "no finished episode")
        return
    marker = "o" if sum(not math.isnan(reward) for reward in rewards) < 12 else None
    axes.plot(steps, rewards, color=AGENT, alpha=0.35, linewidth=1, marker=marker, markersize=3, label="each update")
    smooth = _smoothed(rewards)
    axes.plot(steps, smooth, color=AGENT, linewidth=2.2, label="smoothed")
    last = max(place for place, value in enumerate(smooth) if not math.isnan(value))
    axes.plot(steps[last], smooth[last], "o", color=AGENT, markersize=6)
    axes.annotate(
        f"{smooth[last]:.3g}",
        (steps[last], smooth[last]),
        (8, 0),
        textcoords="offset points",
        va="center",
        color=AGENT,
        weight="bold",
    )
    axes.margins(x=0.06)
    _legend(axes)


def _small_panel(axes: "Axes", steps: list[float], values: list[float], label: str, color: str) -> None:
    axes.set_title(label, loc="left", fontsize=9, color=color, weight="normal")
    axes.tick_params(labelsize=7.5)
    axes.locator_params(nbins=4)
    _thousands(axes)
    if all(math.isnan(value) for value in values):
        _say(axes, "not measured", size=9)
        return
    axes.plot(steps, values, color=color, linewidth=1.4, marker="o" if len(values) == 1 else None)


def _policy_row(axes: "Axes", result: SimulationResult, policy: str, color: str, height: float) -> None:
    episodes, interval = (
        (result.episodes, result.reward) if policy == "agent" else (result.random_episodes, result.random_reward)
    )
    first = policy not in axes.get_legend_handles_labels()[1]
    rewards = [episode.reward for episode in episodes]
    axes.plot([interval.low, interval.high], [height, height], color=color, linewidth=9, alpha=0.28)
    axes.scatter(rewards, [height] * len(rewards), s=13, color=color, alpha=0.6, linewidths=0, zorder=3)
    axes.plot(
        interval.mean, height, "D", color=color, markeredgecolor="white", zorder=4, label=policy if first else None
    )
    axes.annotate(
        f"{interval.mean:.3g}",
        (interval.mean, height),
        (0, 9),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        color=color,
    )


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(
        figsize=(width, height), dpi=110, facecolor="white", layout=ConstrainedLayoutEngine(w_pad=0.14, h_pad=0.1)
    )


def _png(figure: "Figure") -> bytes:
    """The figure's bytes; the Agg canvas is chosen by name, so no display is looked for."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    for axes in figure.axes:
        _plain_frame(axes)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.frombytes("RGBA", canvas.get_width_height(), bytes(canvas.buffer_rgba())).convert("RGB")
    buffer = BytesIO()
    # A palette makes the file a third as large: pictures travel as base64 inside metadata.
    picture.quantize(256).save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def _plain_frame(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#c9ced6")
    axes.tick_params(color=FAINT, labelcolor=INK, which="both")
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(visible=True, axis="x", color="#eceef2", linewidth=0.8)
    axes.set_axisbelow(True)


def _thousands(axes: "Axes") -> None:
    from matplotlib.ticker import EngFormatter

    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _legend(axes: "Axes") -> None:
    axes.legend(frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, labelcolor=INK)


def _say(axes: "Axes", message: str, size: int = 13) -> None:
    axes.text(0.5, 0.5, message, transform=axes.transAxes, ha="center", va="center", color=FAINT, fontsize=size)
    axes.set_xticks([])
    axes.set_yticks([])


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [math.nan if row.get(key) is None else float(row[key]) for row in rows]


def _smoothed(values: list[float]) -> list[float]:
    """Gaussian-weighted mean over the neighbouring updates (centred, so it does not lag); gaps stay gaps."""
    width = max(SMOOTHING * len(values), 1.0)
    known = [(place, value) for place, value in enumerate(values) if not math.isnan(value)]
    return [math.nan if math.isnan(value) else _near_mean(known, place, width) for place, value in enumerate(values)]


def _near_mean(known: list[tuple[int, float]], center: int, width: float) -> float:
    weights = [math.exp(-0.5 * ((place - center) / width) ** 2) for place, _ in known]
    return sum(weight * value for weight, (_, value) in zip(weights, known, strict=True)) / sum(weights)
