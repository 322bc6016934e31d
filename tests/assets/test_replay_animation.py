"""A recorded episode becomes a small animation that shows what was recorded, or words that say why there is none."""

import gzip
import json
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from assets.replays import film_of, read_recording
from assets.replays.film import MOST_FRAMES, sampled
from assets.replays.recording import Timeline
from assets.replays.sprites import OBJECTS
from trainer.contract import Refused


def thing(kind: str, x: int, y: int) -> dict[str, Any]:
    return {"type_name": kind, "location": [x, y], "inventory": []}


def arena(steps: int = 30, size: int = 9) -> dict[str, Any]:
    """One agent walks along a row, holds an ore from step 5 and has earned 0.5 by step 10; another one waits."""
    walls = [thing("wall", x, 0) for x in range(size)]
    walker = {
        "type_name": "agent",
        "is_agent": True,
        "location": [[0, [1, 1]], *([step, [1 + step % 5, 1]] for step in range(1, steps + 1))],
        "inventory": [[0, []], [5, [[0, 1]]]],
        "total_reward": [[0, 0.0], [10, 0.5]],
    }
    waiter = {**thing("agent", 4, 4), "is_agent": True, "inventory": [[2, 1]], "total_reward": 0.0}
    return {
        "map_size": [size, size],
        "max_steps": steps,
        "item_names": ["ore", "battery", "heart"],
        "objects": [*walls, *(thing(kind, 2 + place, 7) for place, kind in enumerate(OBJECTS)), walker, waiter],
    }


def cart_pole(steps: int = 40, **changes: Any) -> dict[str, Any]:
    states = [[0.02 * step, 0.0, 0.005 * step, 0.0] for step in range(steps + 1)]
    ends = {"terminated": True, "truncated": False, "id": "CartPole-v1"}
    return {"observations": states, "actions": [1] * steps, "rewards": [1.0] * steps, **ends, **changes}


def frames(gif: bytes) -> list[Image.Image]:
    image = Image.open(BytesIO(gif))
    found: list[Image.Image] = []
    for frame in range(getattr(image, "n_frames", 1)):
        image.seek(frame)
        found.append(image.convert("RGB"))
    return found


def has(image: Image.Image, color: tuple[int, int, int], box: tuple[int, int, int, int]) -> bool:
    near = (max(abs(a - b) for a, b in zip(pixel, color, strict=True)) < 30 for pixel in pixels(image.crop(box)))
    return any(near)


def pixels(image: Image.Image) -> list[tuple[int, ...]]:
    data = image.tobytes()
    return list(zip(data[::3], data[1::3], data[2::3], strict=True))


def test_an_arena_is_drawn_with_its_makers_its_walls_and_agents_that_move() -> None:
    film = film_of(arena())
    assert film is not None
    shown = frames(film.gif)
    assert len(shown) == 31
    cell = 462 // 9
    for place, (_, color) in enumerate(OBJECTS.values()):
        corner = (14 + (2 + place) * cell, 14 + 7 * cell)
        assert has(shown[0], color, (*corner, corner[0] + cell, corner[1] + cell))
    first, third = ((14 + x * cell, 14 + cell, 14 + (x + 1) * cell, 14 + 2 * cell) for x in (1, 3))
    white = (245, 247, 250)
    assert has(shown[0], white, first) and not has(shown[0], white, third)
    assert has(shown[2], white, third) and not has(shown[2], white, first)
    assert film.alt.startswith("Animation: 2 agents in a 9 by 9 arena over 30 steps, ending with a mean reward of 0.25")


def test_an_agent_has_the_color_of_the_best_that_it_carries() -> None:
    film = film_of(arena())
    assert film is not None
    cell = 462 // 9
    start = (14 + cell, 14 + cell, 14 + 2 * cell, 14 + 2 * cell)
    shown = frames(film.gif)
    ore = OBJECTS["mine"][1]
    assert not has(shown[0], ore, start)
    assert has(shown[5], ore, start)


def test_cart_and_pole_move_as_recorded() -> None:
    film = film_of(cart_pole())
    assert film is not None
    shown = frames(film.gif)
    assert len(shown) == 41
    assert shown[0].size == (640, 300)
    assert shown[0].tobytes() != shown[20].tobytes()
    assert "over 40 steps, reward 40; at the end the pole fell" in film.alt


def test_the_same_episode_has_the_same_bytes() -> None:
    one, other = film_of(arena()), film_of(arena())
    assert one == other


def test_a_long_episode_on_a_large_map_stays_small() -> None:
    film = film_of(arena(steps=2000, size=60))
    assert film is not None
    assert len(frames(film.gif)) == MOST_FRAMES
    assert len(film.gif) < 1_000_000


def test_frames_begin_with_the_first_step_and_end_with_the_last() -> None:
    assert sampled(0) == [0]
    assert sampled(3) == [0, 1, 2, 3]
    assert (sampled(1000)[0], sampled(1000)[-1], len(sampled(1000))) == (0, 1000, MOST_FRAMES)


def test_a_value_holds_until_it_changes() -> None:
    timeline = Timeline([[0, "a"], [5, "b"]])
    assert [timeline.at(step) for step in (0, 4, 5, 99)] == ["a", "a", "b", "b"]


def test_an_environment_without_a_picture_has_no_animation() -> None:
    assert film_of({"id": "Acrobot-v1", "observations": [], "actions": [], "rewards": []}) is None


@pytest.mark.parametrize(("name", "pack"), [("a.json.z", zlib.compress), ("a.json.gz", gzip.compress)])
def test_both_compressions_are_read(tmp_path: Path, name: str, pack: Any) -> None:
    (tmp_path / name).write_bytes(pack(json.dumps(cart_pole()).encode()))
    assert read_recording(tmp_path / name) == cart_pole()


@pytest.mark.parametrize("content", [b"", b"junk", zlib.compress(b"[]"), zlib.compress(b"{")[:-3]])
def test_a_damaged_replay_is_refused_with_its_path(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.json.z"
    file.write_bytes(content)
    with pytest.raises(Refused, match=r"a\.json\.z"):
        read_recording(file)


@pytest.mark.parametrize("lack", ["objects", "item_names", "max_steps"])
def test_a_replay_that_lacks_something_is_refused_with_what(lack: str) -> None:
    with pytest.raises(Refused, match=lack):
        film_of({name: value for name, value in arena().items() if name != lack})
