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
        """Add columns; returns all that are filled, as views."""
        first, self.used = self.used, self.used + key_states.shape[-2]
        self.keys[:, :, first : self.used] = key_states
        self.values[:, :, first : self.used] = value_states
        return self.keys[:, :, : self.used], self.values[:, :, : self.used]

    def get_seq_length(self) -> int:
        """Columns in use, padding included."""
        return self.used


@dataclass(slots=True)
class Window:
    """A cache and where each row begins in it. `columns` are in use, `room` are still free."""

    cache: Cache
    starts: torch.Tensor  # [rows], the first column of each
    columns: int
    room: int

    def mask(self) -> torch.Tensor:
        """Attention mask [rows, columns + 1] for the next token of every row."""
        column = torch.arange(self.columns + 1, device=self.starts.device)
        return column >= self.starts[:, None]

    def positions(self) -> torch.Tensor:
        """Position of the next token of every row, [rows, 1]."""
        return (self.columns - self.starts)[:, None]

    def advance(self) -> None:
        """A column was filled."""
        self.columns += 1
        self.room -= 1


@dataclass(frozen=True, slots=True)
class Prefilled:
    """Prompts that went through the model together; `lengths` are theirs, without padding."""

    cache: Cache
    lengths: tuple[int, ...]
    columns: int


def can_join(cache: Cache) -> bool:
    """Whether all layers are plain attention: others (sliding, linear) keep no full columns."""
    return all(type(layer) is DynamicLayer for layer in cache.layers)


def sealed(prefilled: Prefilled, device: torch.device) -> Window:
    """A window that no row leaves or joins, on the model's own cache."""
    starts = torch.tensor([prefilled.columns - n for n in prefilled.lengths], device=device)
    return Window(prefilled.cache, starts, prefilled.columns, room=2**31)


def rebuild(old: Window | None, kept: Sequence[int], joining: Sequence[Prefilled]) -> Window:
    """A new window of the kept rows of the old one, followed by those that join."""
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
    """The parts, [rows, heads, width, size] each, below one another, ending at `columns`."""
    _, heads, _, size = parts[0].shape
    buffer = parts[0].new_zeros(sum(map(len, parts)), heads, columns + ROOM, size)
    row = 0
    for part in parts:
        buffer[row : row + len(part), :, columns - part.shape[2] : columns] = part
        row += len(part)
    return buffer


def new_cache(config: Any) -> DynamicCache:
    """An empty cache with the layers that this model needs."""
    return DynamicCache(config=config)
