"""The beginning that prompts share, computed once.

Neighbours in the queue often begin alike: the same system prompt, the same examples, the same
prose around another needle. What the last prompt left in the cache serves the next ones:

    last prompt    a b c d e f
    next prompts   a b c d | x y z      only x y z and u go through the model
                   a b c d | u
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache

from harness.backends.prefix import common_prefix


@dataclass(frozen=True, slots=True)
class Trunk:
    """A prompt that went through the model, and its keys and values, one row in each layer."""

    ids: tuple[int, ...]
    cache: DynamicCache

    def shares(self, prompt: Sequence[int]) -> int:
        """How many tokens the prompt begins with as this one does."""
        return common_prefix(self.ids, prompt)


def begin_at(held: int, common: int, rows: int, least: int) -> int:
    """How many tokens of some rows are not computed for each of them.

    `held` tokens are in the trunk, `common` ones (at least as many) are the same in all rows.
    Extending the trunk is a step of its own, and all of it more copying: each pays only where it
    saves `least` tokens.
    """
    if (rows - 1) * (common - held) >= least:
        return common
    return held if rows * held >= least else 0


def spread(source: DynamicCache, tokens: int, rows: int, empty: DynamicCache) -> DynamicCache:
    """The first tokens of a cache of one row, for so many rows, in the empty cache."""
    for index, layer in enumerate(source.layers):
        parts = (getattr(layer, name)[:, :, :tokens] for name in ("keys", "values"))
        empty.update(*(part.expand(rows, -1, -1, -1) for part in parts), index)
    return empty


def close_gaps(cache: DynamicCache, prefix: int, gaps: torch.Tensor) -> None:
    """Move the prefix of each row to the right by the padding, [rows], between it and the rest."""
    column = torch.arange(cache.get_seq_length())
    moved = (column - gaps[:, None]).clamp(min=0)  # of the columns left of the prefix: never read
    source = torch.where(column < prefix + gaps[:, None], moved, column)
    for layer in cache.layers:
        for name in ("keys", "values"):
            held = getattr(layer, name)
            index = source.to(held.device)[:, None, :, None].expand(held.shape)
            setattr(layer, name, held.gather(2, index))


def last_row(ids: tuple[int, ...], cache: DynamicCache, empty: DynamicCache) -> Trunk:
    """The last row of a cache, without its padding and without the memory of the other rows."""
    for index, layer in enumerate(cache.layers):
        parts = (getattr(layer, name)[-1:, :, -len(ids) :] for name in ("keys", "values"))
        empty.update(*(part.clone() for part in parts), index)
    return Trunk(ids, empty)
