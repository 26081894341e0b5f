"""Words of ordinary language, which no case owns: by how often people write them.

Frequencies are those of wordfreq (Speer 2022), in its lists of words that are written at least once
in a million. Words of a run are taken to be independent.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from math import prod

from harness.scorers.languages import COMMON, ELSEWHERE
from harness.training.contamination.words import Words

# From this share of all runs of words on, a run is anybody's. Of 60 ordinary answers (words, names,
# titles) 53 are above it, of 30 made-up values none (tests/training/contamination/test_words.py).
ANYBODYS = 10**-9.5
MISSING = "wordfreq is not installed: ordinary words that cases expect count as hidden values"


def ordinary(runs: Iterable[Words]) -> frozenset[Words]:
    """Return the runs that ordinary language has; none where wordfreq is not installed."""
    asked = set(runs)
    if not asked or not is_known():
        return frozenset()
    from wordfreq import available_languages, get_frequency_dict

    shares = dict.fromkeys((word for run in asked for word in run), 0.0)
    for language in sorted(available_languages("small").keys() & {*COMMON, *ELSEWHERE}):
        found = get_frequency_dict(language, "small")
        for word, share in shares.items():
            shares[word] = max(share, found.get(word, 0.0))
    get_frequency_dict.cache_clear()  # a hundred megabytes, and asked for once
    return frozenset(run for run in asked if prod(shares[word] for word in run) >= ANYBODYS)


def is_known() -> bool:
    """Return whether there is anything to look words up in."""
    return find_spec("wordfreq") is not None
