"""Which rows are held out: by a hash, whole groups at a time, the same for the same seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from harness.canonical import digest
from harness.chat import as_dicts
from harness.training.values import Row

FEWEST = 20  # with fewer held-out rows their loss is mostly noise
MOST_SHARE = 0.2  # of the rows, up to which a small share is raised to the fewest
TOO_FEW = 10  # rows in all, below which none are held out


def held_out_count(rows: int, share: float) -> int:
    """How many rows to hold out: the share, but at least 20, or a fifth where that is fewer."""
    if share == 0 or rows < TOO_FEW:
        return 0
    return max(round(share * rows), min(FEWEST, int(MOST_SHARE * rows)))


def split(rows: Sequence[Row], share: float, seed: int) -> tuple[list[Row], list[Row]]:
    """Rows to train on and rows to hold out, both in their order.

    Rows of one group, and equal conversations, are on one side.
    """
    wanted = held_out_count(len(rows), share)
    groups: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[row.group or digest(as_dicts(row.messages))].append(index)
    held: set[int] = set()
    for name in sorted(groups, key=lambda name: digest([seed, name])):
        if len(held) + len(groups[name]) <= wanted:
            held.update(groups[name])
    train = [row for index, row in enumerate(rows) if index not in held]
    return train, [row for index, row in enumerate(rows) if index in held]
