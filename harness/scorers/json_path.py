"""JSONPath, RFC 9535 without filters: $.a.b[0], $["x y"], $[-1], $.a[*], $.a[0:2], $..a."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import regex

from harness.scorers.json_text import Exact, written

Location: TypeAlias = tuple[str | int, ...]


class PathError(ValueError):
    """A JSONPath cannot be read."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: into a name, an index, a slice, or into all (`None`); `deep` at any depth."""

    key: str | int | slice | None
    deep: bool = False


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path. `single`: it can select one value at most."""

    steps: tuple[Step, ...]

    @property
    def single(self) -> bool:
        """Whether the path names one place, without wildcards, slices and `..`."""
        return all(isinstance(step.key, str | int) and not step.deep for step in self.steps)


_STEP = regex.compile(
    r"""(?P<deep>\.\.)?(?:
        \[\s*(?:(?P<index>-?\d{1,9})|(?P<all>\*)|(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
            |(?P<slice>-?\d{0,9}\s*:\s*-?\d{0,9}))\s*\]
        |(?(deep)|\.)(?:(?P<star>\*)|(?P<name>[\p{L}_][\p{L}\p{M}\p{N}_-]*+)))""",
    regex.VERBOSE,
)
_ESCAPE = regex.compile(r"\\(.)")


def parse_path(text: str) -> Path:
    """The path; raises `PathError` with the position of what cannot be read."""
    if not text.startswith("$"):
        raise PathError("a JSONPath begins with $, like $.total or $.items[0].name")
    place, steps = 1, []
    while place < len(text):
        match = _STEP.match(text, place)
        if match is None:
            raise PathError(f"cannot read {text[place:][:20]!r} at position {place}")
        steps.append(_step(match))
        place = match.end()
    # Each `..` may multiply the work by the depth.
    if sum(step.deep for step in steps) > 1:
        raise PathError("more than one .. in a path is not supported")
    return Path(tuple(steps))


def _step(match: regex.Match[str]) -> Step:
    deep = match["deep"] is not None
    if match["index"] is not None:
        return Step(int(match["index"]), deep)
    if match["quoted"] is not None:
        return Step(_ESCAPE.sub(r"\1", match["quoted"][1:-1]), deep)
    if match["slice"] is not None:
        first, last = (int(n) if n.strip() else None for n in match["slice"].split(":"))
        return Step(slice(first, last), deep)
    return Step(match["name"], deep)


def select(value: Exact, path: Path) -> list[tuple[Location, Exact]]:
    """The places and values that the path selects, in document order."""
    found: list[tuple[Location, Exact]] = [((), value)]
    for step in path.steps:
        if step.deep:
            found = [inner for place, item in found for inner in _descend(place, item)]
        found = [inner for place, item in found for inner in _into(place, item, step.key)]
    return found


def _into(
    place: Location, item: Exact, key: str | int | slice | None
) -> Iterator[tuple[Location, Exact]]:
    if isinstance(item, dict):
        names = list(item) if key is None else [key] if isinstance(key, str) and key in item else []
        yield from (((*place, name), item[name]) for name in names)
    elif isinstance(item, list) and not isinstance(key, str):
        yield from (((*place, index), item[index]) for index in _indices(len(item), key))


def _indices(length: int, key: int | slice | None) -> range:
    if isinstance(key, int):
        index = key if key >= 0 else key + length
        return range(index, index + 1) if 0 <= index < length else range(0)
    return range(*(key or slice(None)).indices(length))


def _descend(place: Location, item: Exact) -> Iterator[tuple[Location, Exact]]:
    """The value and all values inside it."""
    yield place, item
    for inner, value in _into(place, item, None):
        yield from _descend(inner, value)


_NAME = regex.compile(r"[\p{L}_][\p{L}\p{M}\p{N}_]*+")


def place_text(place: Location) -> str:
    """A place as a path: `$.items[2].price`, `$['x y']`."""
    return "$" + "".join(_part(key) for key in place[:20]) + ("..." if len(place) > 20 else "")


def _part(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if _NAME.fullmatch(key) and len(key) < 60 else f"[{written(key)}]"
