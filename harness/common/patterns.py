"""Patterns from outside, compiled within a bound: of suites, of JSON Schemas, of adapters."""

from __future__ import annotations

from functools import lru_cache

import regex

# The engine copies what is repeated: `(((x{99}){99}){99}){99}` asks it for more than 4 GB. So many
# parts take 30 MB and a tenth of a second; some kinds take ten times the memory.
MAX_PARTS = 100_000
# From each edge of a capturing group it walks over all edges that follow it directly: `((((())))`
# 9,999 times took minutes. So many empty groups take a quarter of a second.
MAX_GROUPS = 5_000
MAX_CHARACTERS = 100_000  # each costs 4 µs
_SHORT = 2_000  # characters that stay within all bounds where no number of times is given
_SMALL_PARTS = 500
_SET = r"\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*+\]?"
_NESTED = r"(?<nested>\[\^?\]?(?:\\.|\[:\^?\w+:\]|(?&nested)|[^\]\\])*+\]?)"
_TOKENS = r"""
      \\. | SET | (?<comment>\(\?\s*\#[^)]*\)?)
    | (?<flags>\(\?(?<on>[a-zA-Z0-9\s]*)(?:-(?<off>[a-zA-Z\s]+))?(?<end>[:)]))
    | (?<open>\(\?(?:<?[=!]|[>|]))
    | (?<capture>\()
    | (?<close>\))
    | \{\s*(?<times>\d+)[^}]*\}
    | (?<suffix>[*+?])
    | .
"""
_V0, _V1 = (
    regex.compile(_TOKENS.replace("SET", each), regex.DOTALL | regex.VERBOSE)
    for each in (_SET, _NESTED)
)


def compile_pattern(pattern: str, flags: int = 0) -> regex.Pattern[str]:
    """Return the compiled pattern; raises `regex.error`, also for one that is too large."""
    kept = _small if _weighed(pattern, flags) <= _SMALL_PARTS else _large
    return kept(pattern, flags)


def _compiled(pattern: str, flags: int) -> regex.Pattern[str]:
    try:
        return regex.compile(pattern, flags, cache_pattern=False)  # kept here, by size
    except RecursionError:
        raise regex.error("too many levels", pattern, 0) from None
    except (OverflowError, MemoryError) as error:
        raise regex.error(str(error) or "it is too large", pattern, 0) from None


# A large one takes 30 MB or more for as long as it is kept.
_small, _large = lru_cache(maxsize=4096)(_compiled), lru_cache(maxsize=4)(_compiled)


@lru_cache(maxsize=4096)
def _weighed(pattern: str, flags: int) -> int:
    """Return of how many parts a pattern is; raises `regex.error` for one that is too large."""
    if len(pattern) > MAX_CHARACTERS:
        message = f"it has {len(pattern):,} characters, more than {MAX_CHARACTERS:,}"
        raise regex.error(message, pattern, 0)
    if "{" not in pattern and len(pattern) <= _SHORT:
        return len(pattern)
    sizes = [_size(pattern, flags, tokens) for tokens in (_V0, _V1)]
    parts, groups = max(size[0] for size in sizes), max(size[1] for size in sizes)
    if parts > MAX_PARTS:
        message = f"its repetitions stand for more than {MAX_PARTS:,} parts"
        raise regex.error(message, pattern, 0)
    if groups > MAX_GROUPS:
        message = f"it stands for more than {MAX_GROUPS:,} capturing groups; (?:…) captures not"
        raise regex.error(message, pattern, 0)
    return parts


def _size(pattern: str, flags: int, tokens: regex.Pattern[str]) -> tuple[int, int]:
    """Return of how many parts and capturing groups a pattern is when repetitions are written out.

    Rather too many than too few: what is repeated zero times counts once, calls count as groups.
    """
    verbose = bool(flags & regex.VERBOSE)
    outer: list[tuple[int, int, int, bool]] = []
    parts = groups = 0  # of the group that is open, up to here
    last, last_groups = 0, 0  # of what a number of times would repeat
    place = 0
    while place < len(pattern):
        if verbose and pattern[place].isspace():
            place += 1
            continue
        if verbose and pattern[place] == "#":
            place = pattern.find("\n", place) % (len(pattern) + 1)
            continue
        token = tokens.match(pattern, place)
        assert token is not None  # the last alternative is any character
        place = token.end()
        if token["comment"] or token["suffix"]:
            parts += 1
            last += 1
        elif token["flags"]:
            if token["end"] == ":":
                outer.append((parts, groups, 0, verbose))
                parts = groups = last = last_groups = 0
            else:  # or a call: `(?R)`, `(?1)`
                parts += 1
                last += 1
            verbose = ("x" in token["on"] or verbose) and "x" not in (token["off"] or "")
        elif token["capture"] or token["open"]:
            outer.append((parts, groups, 1 if token["capture"] else 0, verbose))
            parts = groups = last = last_groups = 0
        elif token["close"] and outer:
            parts_before, groups_before, captures, verbose = outer.pop()
            last, last_groups = parts + 1, groups + captures
            parts, groups = parts_before + last, groups_before + last_groups
        elif token["times"]:
            # Python refuses to read numbers of thousands of digits.
            times = max(int(token["times"][:9]), 1)
            parts, groups = parts + last * (times - 1), groups + last_groups * (times - 1)
            last, last_groups = last * times, last_groups * times
        else:
            last, last_groups = 1, 0
            parts += 1
    return parts + sum(each[0] for each in outer), groups + sum(each[1] + each[2] for each in outer)
