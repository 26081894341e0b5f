"""Near duplicates: texts whose runs of five characters are nearly the same.

Exact, not estimated: two sets with a Jaccard similarity of t share one of their rarest
n − ⌈t·n⌉ + 1 members (the prefix filter of Chaudhuri et al. 2006), so few pairs are compared.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

LENGTH = 5
_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"\d+")


def twins(texts: Sequence[str], threshold: float) -> dict[int, tuple[int, float]]:
    """The texts that are near copies of an earlier one that stays: by their number, the earlier
    one's number and the similarity.

    Texts with other numbers are other texts, however alike the rest is.
    """
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for at, text in enumerate(texts):
        groups[tuple(_NUMBER.findall(text))].append(at)
    found: dict[int, tuple[int, float]] = {}
    for members in groups.values():
        if len(members) > 1:
            found |= _twins_in({at: _shingles(texts[at]) for at in members}, threshold)
    return found


def _shingles(text: str) -> frozenset[str]:
    plain = _SPACE.sub(" ", text).strip()
    return frozenset(plain[at : at + LENGTH] for at in range(max(1, len(plain) - LENGTH + 1)))


def _twins_in(sets: dict[int, frozenset[str]], threshold: float) -> dict[int, tuple[int, float]]:
    often = Counter(one for members in sets.values() for one in members)
    kept: dict[str, list[int]] = defaultdict(list)  # by a rare member
    found: dict[int, tuple[int, float]] = {}
    for at, members in sets.items():
        rarest = sorted(members, key=lambda one: (often[one], one))
        prefix = rarest[: len(members) - math.ceil(threshold * len(members)) + 1]
        alike = _most_alike(members, {other for one in prefix for other in kept[one]}, sets)
        if alike and alike[1] >= threshold:
            found[at] = alike
            continue
        for one in prefix:
            kept[one].append(at)
    return found


def _most_alike(
    members: frozenset[str], others: set[int], sets: dict[int, frozenset[str]]
) -> tuple[int, float] | None:
    """The other set that is most similar, the first of several."""
    alike = [(-_jaccard(members, sets[other]), other) for other in others]
    return (min(alike)[1], -min(alike)[0]) if alike else None


def _jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    both = len(left & right)
    return both / (len(left) + len(right) - both)
