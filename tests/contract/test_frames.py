"""Messages come out of a log as they went in, whatever the log does to their lines; what is lost is told."""

import json
import random
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.contract.frames import WINDOW, Assembler, Frames, Gap, other_text

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
messages = st.dictionaries(st.text(), values, max_size=4)
randoms = st.randoms(use_true_random=True)


def digest_of(sequence) -> str:
    return sha256(json.dumps(sequence).encode()).hexdigest()


def large(size: int, seed: int = 0) -> dict[str, str]:
    return {"text": random.Random(seed).randbytes(size // 2).hex()}


def written(sent, frames: Frames | None = None) -> list[str]:
    frames = frames or Frames()
    return [line for message in sent for line in frames.write(message)]


def read(assembler: Assembler, lines) -> list[dict]:
    return [message for line in lines for message in assembler.take(line)]


def torn(line: str, chance: random.Random) -> str:
    at = chance.randrange(len(line))
    return chance.choice([line[:at], line[at:], line[:at] + chance.choice("#0aZ+") + line[at + 1 :]])


def damaged(lines: list[str], chance: random.Random) -> list[str]:
    """Dropped, torn, doubled, decorated, and swapped over less than the window."""
    kept = [
        (n + chance.uniform(0, WINDOW / 2), line)
        for n, line in enumerate(lines)
        for _ in range(chance.choice([0, 1, 1, 2]))
    ]
    shaken = [torn(line, chance) if chance.random() < 0.2 else line for _, line in sorted(kept)]
    return [
        chance.choice(["", "(job, pid=12) ", "\x1b[36m(head, rank=0, pid=9)\x1b[0m ", "40%\r"]) + line
        for line in shaken
    ]


def reordered(lines: list[str], chance: random.Random) -> list[str]:
    return [line for _, line in sorted((n + chance.uniform(0, WINDOW - 1), line) for n, line in enumerate(lines))]


@given(st.lists(messages, max_size=30), st.integers(0, 40_000), randoms)
@settings(deadline=None)
def test_what_a_second_reading_heals_arrives_as_it_was_sent(sent, size, chance):
    sent.insert(len(sent) // 2, large(size))
    lines, assembler = written(sent), Assembler()
    received = read(assembler, damaged(lines, chance))
    assembler = Assembler(json.loads(json.dumps(assembler.cursor())))
    if chance.random() < 0.5:
        assembler.rewind()
    received += read(assembler, reordered(lines, chance))
    assert digest_of(received) == digest_of(sent)
    assert assembler.end() == []


@given(st.lists(messages, min_size=2, max_size=30), st.data())
@settings(deadline=None)
def test_a_line_that_never_comes_is_one_gap_and_costs_its_own_message_alone(sent, data):
    sent.insert(1, large(data.draw(st.integers(0, 20_000))))
    frames = Frames("ab")
    groups = [frames.write(message) for message in sent]
    lost = data.draw(st.integers(0, len(groups) - 2))
    piece = data.draw(st.integers(0, len(groups[lost]) - 1))
    missing = sum(map(len, groups[:lost])) + piece
    lines = [line for group in groups for line in group]
    assembler = Assembler(window=len(lines))
    received = read(assembler, lines[:missing] + lines[missing + 1 :])
    assert [(hole.writer, hole.missing, hole.sought) for hole in assembler.holes] == [("ab", missing + 1, False)]
    left = assembler.end()
    assert [each for each in left if isinstance(each, Gap)] == [Gap("ab", missing + 1, missing + 1)]
    received += [each for each in left if not isinstance(each, Gap)]
    assert digest_of(received) == digest_of(sent[:lost] + sent[lost + 1 :])


def test_a_message_of_300_kb_goes_in_lines_of_less_than_2_kb():
    message = large(300_000)
    lines = Frames().write(message)
    assert max(map(len, lines)) < 2000 and all(line.isascii() and line.isprintable() for line in lines)
    assert read(Assembler(), lines) == [message]


def test_writers_are_kept_apart():
    lines = zip(written(map(str, range(9))), written(map(str, range(9))), strict=True)
    assert read(Assembler(), [f"{one} {two}" for one, two in lines]) == [
        n for n in map(str, range(9)) for _ in range(2)
    ]


@pytest.mark.parametrize("part", ["ab", "3", ".", "checksum", "text"])
def test_a_change_of_any_part_of_a_line_is_seen(part):
    words = written([{}, {}, {"n": 1}], Frames("ab"))[2].split(" ")
    at = ["@axiom", "ab", "3", ".", "checksum", "text"].index(part)
    changed = ("0" if words[at][0] != "0" else "1") + words[at][1:]
    words[at] = {"3": "1", ".": "^"}.get(part, changed)
    assembler = Assembler()
    assembler.take(" ".join(words))
    assert assembler.cursor() == {}


def test_no_more_than_the_window_is_held_and_the_rest_comes_with_the_next_reading():
    lines, assembler = written({"n": n} for n in range(500)), Assembler(window=20)
    assert read(assembler, lines[1:]) == []
    [strand] = assembler.cursor().values()
    assert [sequence for sequence, *_ in strand["pending"]] == list(range(2, 22))
    assert [hole.full for hole in assembler.holes] == [True]
    assert [message["n"] for message in read(assembler, lines)] == list(range(500))


def test_a_hole_that_is_skipped_lets_what_is_behind_it_through():
    lines, assembler = written(({"n": n} for n in range(5)), Frames("ab")), Assembler()
    read(assembler, [lines[0], lines[3], lines[4]])
    assert assembler.skip("ab") == [Gap("ab", 2, 3), {"n": 3}, {"n": 4}]
    assert assembler.take(lines[1]) == [] and assembler.holes == []


def test_of_a_message_whose_beginning_is_lost_nothing_is_left():
    frames = Frames("ab")
    lines, [after] = frames.write(large(9000)), frames.write({"n": 1})
    assembler = Assembler()
    assert read(assembler, [*lines[1:], after]) == []
    assert assembler.end() == [Gap("ab", 1, 1), {"n": 1}]


def test_a_hole_that_a_second_reading_has_gone_by_too_was_sought():
    lines, assembler = written(({"n": n} for n in range(5)), Frames("ab")), Assembler()
    left = [lines[0], *lines[2:]]

    def states() -> list[tuple[bool, bool]]:
        return [(hole.passed, hole.sought) for hole in assembler.holes]

    read(assembler, left)
    assert states() == [(True, False)]
    assembler.rewind()
    read(assembler, left[:-1])
    assert states() == [(False, True)]
    assembler.take(left[-1])
    assert states() == [(True, True)]
    assert [hole.sought for hole in Assembler(assembler.cursor()).holes] == [True]


def test_a_message_that_was_never_finished_is_a_gap_at_the_end():
    assembler = Assembler()
    read(assembler, Frames("ab").write(large(9000))[:-1])
    [gap] = assembler.end()
    assert isinstance(gap, Gap) and gap.first == gap.last == len(Frames().write(large(9000)))
    assert assembler.end() == []


def test_text_beside_frames_is_told_apart():
    [frame] = Frames().write({"n": 1})
    assert other_text("(job, pid=7) loss 0.1") == "(job, pid=7) loss 0.1"
    assert other_text(f"\x1b[36m(job, pid=7)\x1b[0m {frame}") is None
    assert other_text(f"40%{frame}") == "40%"
    assert other_text("") == ""
