"""Bounds that every check keeps on any input, and how a value is shown in one line."""

from __future__ import annotations

# No check reads an answer that is longer: a model's longest context holds about a tenth of it.
ANSWER_CHARS = 4_000_000
# The time that the user's own patterns may take in one check. A pattern without nested
# repetition needs milliseconds for the longest answers.
REGEX_SECONDS = 1.0
# Numbers with more digits, or with an exponent beyond this, are not read as numbers.
NUMBER_DIGITS = 1_000
# JSON and XML that nest deeper are refused: well below Python's recursion limit in any caller.
NESTING = 100
# The time in which an answer must be validated against a JSON Schema.
SCHEMA_SECONDS = 2.0

_SHOWN = 60


def shown(value: object, limit: int = _SHOWN) -> str:
    """`value` as a reason shows it: quoted, one line, control characters escaped, cut to `limit`.

    Escape sequences and lone surrogates come out as `\\x1b` and `\\ud800`.
    """
    if isinstance(value, str):
        cut = value[: limit + 1]
        return repr(cut) if len(value) <= limit else f"{cut[:limit]!r}..."
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


def listed(values: object, limit: int = 5) -> str:
    """Several values in one line: the first `limit` of them, and how many more there are."""
    items = list(values) if isinstance(values, list | tuple) else [values]
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(shown(item) for item in items[:limit]) + more
