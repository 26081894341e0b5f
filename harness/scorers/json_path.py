"""JSONPath, RFC 9535 without filters: $.a.b[0], $["x y"], $[-1], $.a[*], $.a[0:2], $..a.

Queries are read and run by jsonpath-rfc9535. Filters are refused, since their functions match
patterns without a time limit, and so is more than one `..`, which may multiply the work each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import regex

from harness.common import NESTING
from harness.scorers.json_text import Exact, written

if TYPE_CHECKING:
    from jsonpath_rfc9535 import JSONPathQuery

Location: TypeAlias = tuple[str | int, ...]


class PathError(ValueError):
    """A JSONPath cannot be read."""


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A query that was read. `single`: it can select one value at most."""

    query: JSONPathQuery

    @property
    def single(self) -> bool:
        """Return whether it names one place, without wildcards, slices and `..`."""
        return self.query.singular_query()


# RFC 9535 wants $['content-type']; other readers, and this one before, take it without brackets.
_LONG_NUMBER = regex.compile(r"\[[^'\"\]]*\d{16}")
_HYPHENED = regex.compile(r"(\.\.?)([\p{L}_][\p{L}\p{M}\p{N}_]*-[\p{L}\p{M}\p{N}_-]*+)")


@lru_cache(maxsize=4096)
def parse_path(text: str) -> JsonPath:
    """Read a path; raise `PathError` with the position of what cannot be read."""
    from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathError
    from jsonpath_rfc9535.segments import JSONPathRecursiveDescentSegment
    from jsonpath_rfc9535.selectors import FilterSelector

    if not text.startswith("$"):
        raise PathError("a JSONPath begins with $, like $.total or $.items[0].name")
    if _LONG_NUMBER.search(text):  # Python refuses to read those of thousands of digits
        raise PathError("a place in a list has at most 15 digits")
    plain = text if "'" in text or '"' in text else _HYPHENED.sub(_bracketed, text)
    environment = JSONPathEnvironment()
    environment.max_recursion_depth = NESTING + 1
    try:
        query = environment.compile(plain)
    except (JSONPathError, RecursionError) as error:
        place = getattr(getattr(error, "token", None), "index", 0)
        rest = f"{text[place:][:20]!r} at position {place}" if place < len(text) else "the end"
        reason = str(error).partition(", line")[0]
        reason = "it nests too deep" if isinstance(error, RecursionError) else reason
        raise PathError(f"cannot read {rest}: {reason}") from None
    parts = [selector for segment in query.segments for selector in segment.selectors]
    if any(isinstance(part, FilterSelector) for part in parts):
        raise PathError("filters, as in $[?@.a > 1], are not supported")
    deep = [part for part in query.segments if isinstance(part, JSONPathRecursiveDescentSegment)]
    if len(deep) > 1:
        raise PathError("more than one .. in a path is not supported")
    return JsonPath(query)


def _bracketed(name: regex.Match[str]) -> str:
    return f"{'..' if name[1] == '..' else ''}['{name[2]}']"


def select(value: Exact, path: JsonPath) -> list[tuple[Location, Exact]]:
    """Return the places and values that the path selects, in document order."""
    nodes: Any = path.query.finditer(value)  # type: ignore[arg-type]  # it names no Decimal
    return [(node.location, node.value) for node in nodes]


_NAME = regex.compile(r"[\p{L}_][\p{L}\p{M}\p{N}_]*+")


def place_text(place: Location) -> str:
    """Write a place as a path: `$.items[2].price`, `$['x y']`."""
    return "$" + "".join(_part(key) for key in place[:20]) + ("..." if len(place) > 20 else "")


def _part(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if _NAME.fullmatch(key) and len(key) < 60 else f"[{written(key)}]"
