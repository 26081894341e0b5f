"""Keys and values of the rows in flight, in one buffer that rows leave and join.

All rows end at the same column; a row with fewer tokens begins further right (left padding):

    row 0   a b c d e f |
    row 1       a b c d |  <- the next token of every row goes here
    row 2           a b |

A finished row's place is given to the next prompt when the buffer is made anew, which copies it:
so that happens when a quarter of the rows is finished, not for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from harness.backends.base import common_prefix

ROOM = 64  # free columns of a new buffer: each 64 tokens cost one copy


class _BufferLayer(DynamicLayer):
    """One layer's keys and values in buffers [rows, heads, columns, size], filled up to `used`."""

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, used: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
        self.keys: torch.Tensor = keys
        self.values: torch.Tensor = values
        self.used = used
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add columns; return all that are filled, as views."""
        first, self.used = self.used, self.used + key_states.shape[-2]
        self.keys[:, :, first : self.used] = key_states
        self.values[:, :, first : self.used] = value_states
        return self.keys[:, :, : self.used], self.values[:, :, : self.used]

    def get_seq_length(self) -> int:
        """Return the columns in use, padding included."""
        return self.used


@dataclass(slots=True)
class Window:
    """A cache and where each row begins in it. `columns` are in use, `room` are still free."""

    cache: Cache
    starts: torch.Tensor  # [rows], the first column of each
    columns: int
    room: int

    def mask(self) -> torch.Tensor:
        """Return the attention mask [rows, columns + 1] for the next token of every row."""
        column = torch.arange(self.columns + 1, device=self.starts.device)
        return column >= self.starts[:, None]

    def positions(self) -> torch.Tensor:
        """Return the position of the next token of every row, [rows, 1]."""
        return (self.columns - self.starts)[:, None]

    def advance(self) -> None:
        """Count a column as filled."""
        self.columns += 1
        self.room -= 1


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Prompts that went through the model together; `lengths` are theirs, without padding."""

    cache: Cache
    lengths: tuple[int, ...]
    columns: int


def can_join(cache: Cache) -> bool:
    """Return whether all layers are plain attention: others keep no full columns."""
    return all(type(layer) is DynamicLayer for layer in cache.layers)


def sealed(prefilled: Prefilled, device: torch.device) -> Window:
    """Make a window that no row leaves or joins, on the model's own cache."""
    starts = torch.tensor([prefilled.columns - n for n in prefilled.lengths], device=device)
    return Window(prefilled.cache, starts, prefilled.columns, room=2**31)


def rebuild(old: Window | None, kept: Sequence[int], joining: Sequence[Prefilled]) -> Window:
    """Make a new window of the kept rows of the old one, followed by those that join."""
    lengths = [n for group in joining for n in group.lengths]
    caches = [(group.cache, group.columns) for group in joining]
    if old is not None and kept:
        lengths = [old.columns - start for start in old.starts[list(kept)].tolist()] + lengths
    columns = max(lengths)

    def buffer(layer: int, name: str) -> torch.Tensor:
        parts = [getattr(cache.layers[layer], name)[:, :, :used] for cache, used in caches]
        if old is not None and kept:
            held = getattr(old.cache.layers[layer], name)
            first = max(0, old.columns - columns)
            parts.insert(0, held[list(kept), :, first : old.columns])
        return _right_aligned(parts, columns)

    count = len((old or joining[0]).cache.layers)
    layers: list[Any] = [
        _BufferLayer(buffer(layer, "keys"), buffer(layer, "values"), columns)
        for layer in range(count)
    ]
    starts = torch.tensor([columns - n for n in lengths], device=layers[0].device)
    return Window(Cache(layers=layers), starts, columns, ROOM)


def _right_aligned(parts: Sequence[torch.Tensor], columns: int) -> torch.Tensor:
    """Put the parts, [rows, heads, width, size] each, below one another, ending at `columns`."""
    _, heads, _, size = parts[0].shape
    buffer = parts[0].new_zeros(sum(map(len, parts)), heads, columns + ROOM, size)
    row = 0
    for part in parts:
        buffer[row : row + len(part), :, columns - part.shape[2] : columns] = part
        row += len(part)
    return buffer


def new_cache(config: Any) -> DynamicCache:
    """Make an empty cache with the layers that this model needs."""
    return DynamicCache(config=config)


@dataclass(frozen=True, slots=True)
class Trunk:
    """A prompt that went through the model, and its keys and values, one row in each layer."""

    ids: tuple[int, ...]
    cache: DynamicCache

    def shares(self, prompt: Sequence[int]) -> int:
        """Return how many tokens the prompt begins with as this one does."""
        return common_prefix(self.ids, prompt)


def begin_at(held: int, common: int, rows: int, least: int) -> int:
    """Return how many tokens of some rows are not computed for each of them.

    `held` tokens are in the trunk, `common` ones (at least as many) are the same in all rows.
    Extending the trunk is a step of its own, and all of it more copying: each pays only where it
    saves `least` tokens.
    """
    if (rows - 1) * (common - held) >= least:
        return common
    return held if rows * held >= least else 0


def spread(source: DynamicCache, tokens: int, rows: int, empty: DynamicCache) -> DynamicCache:
    """Put the first tokens of a cache of one row into the empty cache, for so many rows."""
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
    """Copy the last row of a cache, without padding and without the memory of other rows."""
    for index, layer in enumerate(cache.layers):
        parts = (getattr(layer, name)[-1:, :, -len(ids) :] for name in ("keys", "values"))
        empty.update(*(part.clone() for part in parts), index)
    return Trunk(ids, empty)
