"""Sequences in portions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def chunks(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """The items in tuples of `size`; the last one may be shorter."""
    rest = iter(items)
    while chunk := tuple(islice(rest, size)):
        yield chunk
