"""The colors of every figure, for light and for dark pages; it draws nothing.

Text has a contrast of at least 4.5 to its ground in both, and the colors of `series` stay apart for the color-blind.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Theme:
    """One set of colors, as `#rrggbb`."""

    name: str
    paper: str
    ink: str
    faint: str
    rule: str
    grid: str
    agent: str
    random: str
    random_text: str
    overridden: str
    on_overridden: str
    series: tuple[str, ...]

    @property
    def colors(self) -> tuple[str, ...]:
        """Every color, in the order of the fields: the same place has the same meaning in every theme."""
        fields = vars(self).values()
        return (*(value for value in fields if isinstance(value, str) and value.startswith("#")), *self.series)

    def settings(self) -> dict[str, Any]:
        """Matplotlib's settings while a figure of this theme is drawn; the same bytes wherever it is."""
        return {
            "font.family": "DejaVu Sans",
            "svg.hashsalt": "axiom",
            "svg.fonttype": "path",
            "figure.facecolor": self.paper,
            "axes.facecolor": self.paper,
            "savefig.facecolor": self.paper,
            "text.color": self.ink,
            "axes.labelcolor": self.ink,
            "axes.titlecolor": self.ink,
            "axes.edgecolor": self.rule,
            "xtick.color": self.rule,
            "ytick.color": self.rule,
            "xtick.labelcolor": self.ink,
            "ytick.labelcolor": self.ink,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "axes.grid": True,
            "grid.color": self.grid,
            "grid.linewidth": 0.8,
        }


LIGHT = Theme(
    name="light",
    paper="#ffffff",
    ink="#23272f",
    faint="#636b79",
    rule="#c9ced6",
    grid="#eceef2",
    agent="#2f6fde",
    random="#e08a3c",
    random_text="#9a5312",
    overridden="#b3470a",
    on_overridden="#fffdfa",
    series=("#2f6fde", "#b3470a", "#0a7d5a", "#a8327f", "#6b5a00", "#5b4bb8"),
)
DARK = Theme(
    name="dark",
    paper="#151922",
    ink="#e6e9ef",
    faint="#a0a9b8",
    rule="#4a5262",
    grid="#262c38",
    agent="#6ea8ff",
    random="#e9a15b",
    random_text="#f0b27a",
    overridden="#f2a65a",
    on_overridden="#1b130a",
    series=("#6ea8ff", "#f2a65a", "#45c99b", "#ef8fc8", "#e3d267", "#b7abff"),
)
