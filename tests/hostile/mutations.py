"""Changes of values and of bytes: what broken and hostile files hold."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e308, 5e-324),
    *("", " ", "\n", "x" * 300, "a" * 5000, "\x1b[31mred", "\u202egnp", "\ud800", "\x00", "é" * 9),
    *("../../etc/passwd", "/dev/zero", "/dev/stdin", "~nobody", "NaN", "inf", "{{ 7 * 7 }}"),
    *("{% for i in range(99999) %}x{% endfor %}", "(((x{9999}){9999}){9999})", "(a+)+$", "*x"),
    *([], {}, [[]], [None], {"": {}}, {"a": {"$ref": "#"}}, [1e308] * 3, ["x"] * 500),
)


def deep(levels: int) -> Any:
    """Return lists in lists."""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to everything inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for step, item in inner:
        yield (*way, step)
        if isinstance(item, dict | list):
            yield from places(item, (*way, step))


def doubled(value: Any) -> Any:
    """Return a copy; of what nests deeper than can be copied the value itself, to stand twice."""
    try:
        return copy.deepcopy(value)
    except RecursionError:
        return value


def changed(value: Any, rng: random.Random) -> Any:
    """Return a value with one to four parts replaced, left out, doubled, renamed or nested."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        ways = list(places(value)) if isinstance(value, dict | list) else []
        if not ways:
            return rng.choice(NASTY)
        *above, last = rng.choice(ways)
        parent = value
        for step in above:
            parent = parent[step]
        act = rng.randrange(8)
        if act < 4:
            parent[last] = copy.deepcopy(rng.choice(NASTY))
        elif act == 4:
            del parent[last]
        elif act == 5:
            parent[last] = deep(rng.choice((3, 90, 150, 400)))
        elif act == 6 and isinstance(parent, dict):
            name = rng.choice(("", "x", "\x00", "a" * 400, str(last).upper(), "__class__"))
            parent[name] = parent.pop(last)
        elif isinstance(parent, list):
            parent.extend(doubled(parent[:50]) * rng.choice((1, 20)))
        else:
            parent[f"{last}2"] = doubled(parent[last])
    return value


def bytes_changed(data: bytes, rng: random.Random) -> bytes:
    """Return a file with some of its bytes flipped, cut, doubled or overwritten."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 2, 8))):
        at = rng.randrange(len(found) + 1)
        end = min(len(found), at + rng.choice((1, 1, 4, 64)))
        act = rng.randrange(5)
        if act == 0:
            found[at:end] = rng.randbytes(end - at)
        elif act == 1:
            del found[at:]
        elif act == 2:
            found[at:at] = found[at:end] * rng.choice((2, 200))
        elif act == 3:
            signs = (b"{", b"[" * 400, b'"', b"\x00", b"\xff\xfe", b"9" * 5000, b"\r\n", b"&a *a")
            found[at:end] = rng.choice(signs)
        else:
            del found[at:end]
    return bytes(found)


def as_json(value: Any, rng: random.Random) -> bytes:
    """Write JSON, now and then with what only Python's reader takes."""
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.1:
        text = text.replace("0", rng.choice(("NaN", "Infinity", "9" * 5000, "1e999")), 1)
    return text.encode("utf-8", "surrogatepass")


def jsonl(rows: list[dict[str, Any]], rng: random.Random) -> bytes:
    lines = [as_json(changed(row, rng) if rng.random() < 0.5 else row, rng) for row in rows]
    data = b"\n".join(lines)
    return bytes_changed(data, rng) if rng.random() < 0.3 else data
