"""Patterns from outside, compiled within a bound: of suites, of JSON Schemas, of adapters."""

from __future__ import annotations

import re
from functools import lru_cache

import regex

# The engine copies what is repeated: `(((x{99}){99}){99}){99}` asks it for more than 4 GB. So many
# parts take 60 MB and a seventh of a second.
MAX_PARTS = 200_000
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+\]?|\(\?#[^)]*\)?|(?P<open>\()|(?P<close>\))|\{(?P<times>\d+)[^}]*\}|.",
    re.DOTALL,
)


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str, flags: int = 0) -> regex.Pattern[str]:
    """Return the compiled pattern; raises `regex.error`, also for one that is too large."""
    if "{" in pattern and _parts(pattern) > MAX_PARTS:
        message = f"its repetitions stand for more than {MAX_PARTS:,} parts"
        raise regex.error(message, pattern, 0)
    try:
        return regex.compile(pattern, flags)
    except (RecursionError, OverflowError, MemoryError) as error:
        raise regex.error(str(error) or "too many levels", pattern, 0) from None


def _parts(pattern: str) -> int:
    """Return of how many parts a pattern is when what it repeats is written out."""
    outer: list[int] = []
    total = last = 0
    for token in _TOKEN.finditer(pattern):
        if token["open"]:
            outer.append(total)
            total = last = 0
        elif token["close"] and outer:
            last, total = total, outer.pop() + total
        elif token["times"]:
            # Python refuses to read numbers of thousands of digits.
            times = int(token["times"][:9])
            total += last * (times - 1) if times else 0
            last *= max(times, 1)
        else:
            last = 1
            total += 1
    return total + sum(outer)
