"""Bounds that every check keeps on any input, and how a value is shown in one line."""

from __future__ import annotations

import regex

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
        return _quoted(value) if len(value) <= limit else f"{_quoted(value[:limit])}..."
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."


# What is not printable in the tables of the `regex` package: those of `repr` change with Python.
_UNPRINTABLE = regex.compile(r"[[\p{C}\p{Z}]--[ ]]", regex.VERSION1)


def _quoted(text: str) -> str:
    """As `repr` has it."""
    if text.isascii():
        return repr(text)
    quote = '"' if "'" in text and '"' not in text else "'"
    plain = "".join(repr(sign)[1:-1] if sign in "\\\n\r\t" else sign for sign in text)
    escaped = _UNPRINTABLE.sub(_escaped, plain)
    return quote + (escaped if quote == '"' else escaped.replace("'", "\\'")) + quote


def _escaped(found: regex.Match[str]) -> str:
    code = ord(found[0])
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def listed(values: object, limit: int = 5) -> str:
    """Several values in one line: the first `limit` of them, and how many more there are."""
    items = list(values) if isinstance(values, list | tuple) else [values]
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(shown(item) for item in items[:limit]) + more
