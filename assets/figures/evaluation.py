"""The evaluation of a run: agent against random policy, every episode a dot; it computes no statistics of its own."""

# pyright: reportUnknownMemberType=false

from collections.abc import Mapping
from typing import TYPE_CHECKING

from assets.figures.axes import legend, say
from assets.figures.picture import Picture, blank
from assets.figures.theme import Theme
from trainer.contract import SimulationResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Results = Mapping[str, SimulationResult]


def evaluation_chart(results: Results, title: str) -> Picture:
    """Each simulation's mean reward with its 95 % interval, agent against random policy, every episode a dot."""
    return Picture("evaluation", _alt(results), lambda theme: _draw(results, title, theme))


def _alt(results: Results) -> str:
    if not results:
        return "Evaluation: no simulation was evaluated."
    words = [
        f"{name}: agent {each.reward.mean:.3g} [{each.reward.low:.3g}, {each.reward.high:.3g}], random policy "
        f"{each.random_reward.mean:.3g} [{each.random_reward.low:.3g}, {each.random_reward.high:.3g}]"
        for name, each in results.items()
    ]
    return f"Evaluation, mean episode reward with its 95 % interval. {'; '.join(words)}."


def _draw(results: Results, title: str, theme: Theme) -> "Figure":
    figure = blank(8.4, 1.5 + 1.05 * max(len(results), 1))
    axes = figure.add_subplot()
    axes.set_title(title, loc="left")
    for place, result in enumerate(results.values()):
        _policy_row(axes, result, "agent", place - 0.17, theme)
        _policy_row(axes, result, "random policy", place + 0.17, theme)
    axes.set_yticks(range(len(results)), list(results))
    axes.set_ylim(max(len(results), 1) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0, labelsize=10)
    axes.set_xlabel("episode reward: dots are episodes, the bar the mean's 95 % interval")
    if results:
        legend(axes)
    else:
        say(axes, "no simulation", theme)
    return figure


def _policy_row(axes: "Axes", result: SimulationResult, policy: str, height: float, theme: Theme) -> None:
    agent = policy == "agent"
    episodes, interval = (result.episodes, result.reward) if agent else (result.random_episodes, result.random_reward)
    color, text = (theme.agent, theme.agent) if agent else (theme.random, theme.random_text)
    label = policy if policy not in axes.get_legend_handles_labels()[1] else None
    rewards = [episode.reward for episode in episodes]
    axes.plot([interval.low, interval.high], [height, height], color=color, lw=9, alpha=0.28)
    axes.scatter(rewards, [height] * len(rewards), s=13, color=color, alpha=0.6, linewidths=0, zorder=3)
    marker = "D" if agent else "s"
    axes.plot(interval.mean, height, marker, color=color, markeredgecolor=theme.paper, ls="", zorder=4, label=label)
    at = (interval.mean, height)
    axes.annotate(f"{interval.mean:.3g}", at, (0, 9), textcoords="offset points", ha="center", fontsize=9, color=text)
