"""Digests tell arrays apart by every bit, large ones too, and name each tensor."""

import io
import json
import tracemalloc

import numpy as np
import pytest
import torch

from trainer.engine.digests import AT_ONCE, LARGE, ROW, DigestLog, chained, digest_of_array, digests_of, row_sums

SIZES = (7, LARGE // 4 - 1, LARGE // 4, LARGE // 4 + 1, (LARGE + ROW) // 4)


@pytest.mark.parametrize("size", SIZES)
def test_each_flipped_bit_gives_another_digest(size):
    array = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    before, chance = digest_of_array(array), np.random.default_rng(1)
    for place in [0, size - 1, *chance.integers(0, size, 20)]:
        for bit in (0, 15, 31):
            changed = array.copy()
            changed.view(np.uint32)[place] ^= np.uint32(1 << bit)
            assert digest_of_array(changed) != before


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize(
    "change",
    [lambda x: -x, lambda x: x * 2, lambda x: x[::-1].copy(), lambda x: np.roll(x, ROW // 4), lambda x: np.roll(x, 1)],
    ids=["negated", "doubled", "reversed", "a row further", "one further"],
)
def test_changes_of_all_values_at_once_do_not_cancel(size, change):
    array = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    assert digest_of_array(change(array)) != digest_of_array(array)


def test_pairs_of_changed_signs_do_not_cancel():
    array, chance = np.ones(LARGE // 4, np.float32), np.random.default_rng(0)
    digests = {digest_of_array(array)}
    for _ in range(50):
        changed = array.copy()
        changed[chance.choice(ROW // 4, 2, replace=False)] *= -1
        digests.add(digest_of_array(changed))
    assert len(digests) == 51


def test_type_and_shape_count_and_memory_layout_does_not():
    array = np.zeros((LARGE // 8, 2), np.float32)
    others = [array.reshape(-1), array.view(np.int32), array.reshape(2, -1)]
    assert len({digest_of_array(each) for each in [array, *others]}) == 4
    square = np.arange(LARGE, dtype=np.uint8).reshape(-1, 256)
    assert digest_of_array(np.asfortranarray(square)) == digest_of_array(square)
    assert digest_of_array(torch.from_numpy(square)) == digest_of_array(square)


def test_where_an_array_begins_in_memory_does_not_count():
    array = np.random.default_rng(0).standard_normal(LARGE).astype(np.float32)
    assert digest_of_array(array[1:]) == digest_of_array(array[1:].copy())


def test_a_large_array_is_summed_a_piece_at_a_time():
    data = np.random.default_rng(0).integers(0, 256, 8 * AT_ONCE * ROW + 3 * ROW, dtype=np.uint8)
    tracemalloc.start()
    sums = row_sums(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sums.tolist() == [row_sums(row)[0] for row in data.reshape(-1, ROW)]
    assert most < 2 * AT_ONCE * ROW


def test_a_log_names_each_tensor_and_chains_its_lines():
    lines = io.StringIO()
    log = DigestLog(lines)
    for update in (1, 2):
        log.record(update, {"policy": {"b": torch.zeros(2), "a": torch.ones(())}, "random": {"policy": torch.zeros(1)}})
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert list(first["digests"]) == ["policy.a", "policy.b", "random.policy"]
    assert (first["digests"], first["chain"]) == (second["digests"], chained("", first["digests"]))
    assert second["chain"] == chained(first["chain"], second["digests"]) == log.chain
    assert digests_of({}) == {}
