"""Recorded evaluation episodes as small animations; the files are read as data, no environment is ever loaded."""

from assets.replays.film import Film
from assets.replays.recording import read_recording
from assets.replays.show import film_of

__all__ = ["Film", "film_of", "read_recording"]
