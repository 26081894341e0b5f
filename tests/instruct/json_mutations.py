"""Wrong answers made from a right one in JSON: broken texts, and every value that is next to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

Named: TypeAlias = Iterator[tuple[str, str]]


def broken_texts(text: str) -> Named:
    """The right value in a form that no strict parser takes, each with its name."""
    text = text.strip()
    yield "a code block", f"```json\n{text}\n```"
    yield "a code block without language", f"```\n{text}\n```"
    yield "words before it", f"Here is the JSON:\n\n{text}"
    yield "words behind it", f"{text}\n\nLet me know if you need anything else."
    yield "a byte order mark", f"\ufeff{text}"
    yield "a comment", f"{text} // done"
    yield "twice", f"{text}\n{text}"
    yield "encoded twice", json.dumps(text)
    if text[-1] in "]}":
        yield "cut off", text[:-1]
        yield "closed twice", text + text[-1]
    if text[-1] in "]}" and text[-2] not in "[{":
        yield "a comma too many", f"{text[:-1]},{text[-1]}"
    if '"' in text:
        yield "single quotes", text.replace('"', "'")


def other_values(text: str) -> Named:
    """Every value that differs in one place from the right one, as JSON."""
    value = json.loads(text)
    yield "in an array", json.dumps([value])
    yield "in an object", json.dumps({"result": value})
    for what, other in _others(value, "$"):
        yield what, json.dumps(other, ensure_ascii=False)


def _others(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Values that differ from `value` in one place at or below it, with what was done."""
    if isinstance(value, dict):
        yield from _other_objects(value, place)
    elif isinstance(value, list):
        yield from _other_arrays(value, place)
    else:
        yield from ((f"{place} is {json.dumps(leaf)}", leaf) for leaf in _other_leaves(value))


def _other_objects(value: dict[str, Any], place: str) -> Iterator[tuple[str, Any]]:
    yield f"{place} has a key more", {**value, "comment": "none"}
    yield f"{place} is an array of pairs", [[key, item] for key, item in value.items()]
    for key, item in value.items():
        rest = {k: v for k, v in value.items() if k != key}
        yield f"{place}.{key} is missing", rest
        yield f"{place}.{key} has another name", {**rest, f"{key}_": item}
        for what, other in _others(item, f"{place}.{key}"):
            yield what, {**value, key: other}


def _other_arrays(value: list[Any], place: str) -> Iterator[tuple[str, Any]]:
    yield f"{place} has an element more", [*value, *(value[-1:] or [None])]
    yield f"{place} is null", None
    if value:
        yield f"{place} is cut short", value[:-1]
        yield f"{place} has lost its first element", value[1:]
    if value != value[::-1]:
        yield f"{place} is turned round", value[::-1]
    for at, item in enumerate(value):
        for what, other in _others(item, f"{place}[{at}]"):
            yield what, [*value[:at], other, *value[at + 1 :]]


def _other_leaves(leaf: Any) -> tuple[Any, ...]:
    if leaf is None:
        return ("", "null", 0, False, [])
    if isinstance(leaf, bool):
        return (not leaf, str(leaf).lower(), int(leaf), None)
    if isinstance(leaf, int | float):
        return (leaf + 1, -leaf or 0.5, str(leaf), None)
    return (
        leaf + ".",
        f" {leaf}",
        leaf.upper() if leaf != leaf.upper() else leaf.lower() + "-",
        None,
    )
