"""The figures of a run and of a comparison, each drawn by one function; they are given data and read no file."""

from assets.figures.curriculum import curriculum_chart
from assets.figures.curve import learning_curve
from assets.figures.evaluation import evaluation_chart
from assets.figures.exposure import exposure_diagram
from assets.figures.health import health
from assets.figures.picture import Picture
from assets.figures.seeds import Curve, seeds_curve
from assets.figures.theme import DARK, LIGHT, Theme
from assets.figures.throughput import throughput

__all__ = [
    "DARK",
    "LIGHT",
    "Curve",
    "Picture",
    "Theme",
    "curriculum_chart",
    "evaluation_chart",
    "exposure_diagram",
    "health",
    "learning_curve",
    "seeds_curve",
    "throughput",
]
