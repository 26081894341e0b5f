"""Names that must not come twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from harness.errors import Problem
from harness.suites.values import Position


class Named(NamedTuple):
    """A name and where it stands."""

    name: str
    position: Position


def stand_twice(what: str, named: Iterable[Named]) -> Iterator[Problem]:
    """A problem at each name that came before, with the place where it came first."""
    first: dict[str, Position] = {}
    for name, here in named:
        there = first.setdefault(name, here)
        if there is not here:
            yield Problem(
                f"{what} {name!r} stands twice",
                here.path,
                here.line,
                here.column,
                found=f"first at {there.path}:{there.line}:{there.column}",
                mend="give each a name of its own",
            )
