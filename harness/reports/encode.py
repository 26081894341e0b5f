"""JSON as text: a line of a file, and data that is safe inside a page."""

from __future__ import annotations

import json

from harness.canonical import JsonValue


def dumps(value: JsonValue) -> str:
    """Compact JSON, readable in any language; escaped only where UTF-8 cannot hold it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, as a cut-off byte-level token leaves it
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text


def embedded(value: JsonValue) -> str:
    """JSON for a script element: no `<`, so that no text can end the element or open a comment."""
    return dumps(value).replace("<", "\\u003c")
