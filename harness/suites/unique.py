"""Names that must not come twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from harness.errors import Problem
from harness.suites.values import Position

SHOWN = 5


class Named(NamedTuple):
    """A name and where it stands."""

    name: str
    position: Position


def stand_twice(what: str, named: Iterable[Named]) -> Iterator[Problem]:
    """A problem for each name that stands more than once, where it does so the second time."""
    places: dict[str, list[Position]] = {}
    for name, here in named:
        places.setdefault(name, []).append(here)
    for name, (there, *others) in places.items():
        if others:
            yield Problem(
                f"{what} {name!r} stands {_times(1 + len(others))}",
                others[0].path,
                others[0].line,
                others[0].column,
                found=", ".join([f"first at {_shown(there)}", *_rest(others[1:])]),
                mend="give each a name of its own",
            )


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"


def _rest(places: Sequence[Position]) -> Iterator[str]:
    """The third and later places, as far as anyone reads them."""
    yield from (f"again at {_shown(place)}" for place in places[:SHOWN])
    if len(places) > SHOWN:
        yield f"and {len(places) - SHOWN} more"


def _shown(place: Position) -> str:
    return f"{place.path}:{place.line}:{place.column}"
