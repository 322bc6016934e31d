"""Picks how a recorded episode is drawn; it never draws one itself."""

from collections.abc import Mapping
from typing import Any

from assets.replays.arena import arena_film
from assets.replays.cart_pole import cart_pole_film
from assets.replays.film import Film
from trainer.contract import Refused


def film_of(recording: Mapping[str, Any]) -> Film | None:
    """The episode as an animation; none for an environment whose state no picture is known of.

    Raises `Refused` for a recording that lacks what it should hold.
    """
    try:
        if "map_size" in recording:
            return arena_film(recording)
        if str(recording.get("id", "")).startswith("CartPole-"):
            return cart_pole_film(recording)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        why = f"does not hold what a replay of its kind holds: {type(error).__name__}: {error}"
        raise Refused.one("replay", str(recording.get("id", "arena")), why) from None
    return None
