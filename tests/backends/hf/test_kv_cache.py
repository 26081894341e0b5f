"""What is computed once for several prompts, and where it stands in the cache."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import DynamicCache

from harness.backends.hf.kv_cache import begin_at, close_gaps, last_row, spread


@pytest.mark.parametrize(
    ("held", "common", "rows", "expected"),
    [
        (0, 90, 1, 0),  # one row alone gains nothing from a step of its own
        (0, 90, 2, 0),  # 90 tokens saved are fewer than 100
        (0, 90, 3, 90),
        (80, 90, 3, 80),  # the trunk as it is: ten more tokens would not pay
        (120, 120, 1, 120),
        (99, 99, 1, 0),
        (50, 400, 2, 400),
    ],
)
def test_a_beginning_is_shared_where_it_saves_enough(
    held: int, common: int, rows: int, expected: int
) -> None:
    assert begin_at(held, common, rows, least=100) == expected


def cache_of(rows: list[list[float]]) -> DynamicCache:
    """Two layers, one head of size one: each column's number is its key, and its value, negated."""
    cache = DynamicCache()
    keys = torch.tensor(rows)[:, None, :, None]
    for layer in range(2):
        cache.update(keys, -keys, layer)
    return cache


def columns(cache: DynamicCache) -> list[list[float]]:
    """The keys of the second layer; its values are held to them."""
    layer: Any = cache.layers[1]
    assert torch.equal(layer.keys, -layer.values)
    found: list[list[float]] = layer.keys[:, 0, :, 0].tolist()
    return found


def test_a_prefix_is_spread_over_rows() -> None:
    done = spread(cache_of([[1, 2, 3, 4]]), 3, 2, DynamicCache())

    assert columns(done) == [[1, 2, 3], [1, 2, 3]]


def test_gaps_are_closed_to_the_right() -> None:
    cache = cache_of([[1, 2, 3, 0, 0, 7], [1, 2, 3, 5, 6, 7], [1, 2, 3, 0, 6, 7]])

    close_gaps(cache, 3, torch.tensor([2, 0, 1]))

    kept = [row[gap:] for row, gap in zip(columns(cache), (2, 0, 1), strict=True)]
    assert kept == [[1, 2, 3, 7], [1, 2, 3, 5, 6, 7], [1, 2, 3, 6, 7]]


def test_the_last_row_is_kept_without_padding_and_without_the_others() -> None:
    cache = cache_of([[1, 2, 3, 4], [0, 0, 8, 9]])

    trunk = last_row((8, 9), cache, DynamicCache())

    assert columns(trunk.cache) == [[8, 9]]
    layer: Any = trunk.cache.layers[0]
    kept = layer.keys
    assert kept.untyped_storage().nbytes() == 2 * kept.itemsize
    assert trunk.shares((8, 7)) == 1
