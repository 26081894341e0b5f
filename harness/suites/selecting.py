"""Which cases take part, where a command line takes some of them, as pytest does with its items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from harness.common import InputError, Problem, first_of, nearest
from harness.suites.values import Suite


class Selectable(NamedTuple):
    """What a selection knows of a case: its suite, its id and its tags."""

    suite: str
    case: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Cases by glob and by tag, and how many of each suite; without any of them, all cases.

    A case is taken that matches any of the globs `cases` (its id, or SUITE/ID) and has any of the
    `tags`; of those, the first `limit` of each suite.
    """

    cases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    limit: int | None = None

    def __bool__(self) -> bool:
        return bool(self.cases or self.tags or self.limit is not None)

    def of_suites(self, suites: Iterable[Suite]) -> frozenset[tuple[str, str]]:
        """Return suite and id of the cases of these suites that are taken; see `of`."""
        return self.of(
            [Selectable(suite.name, case.id, case.tags) for suite in suites for case in suite.cases]
        )

    def of(self, known: Sequence[Selectable]) -> frozenset[tuple[str, str]]:
        """Return suite and id of the cases that are taken.

        Raises InputError for a glob that matches nothing, a tag that no case has, and where
        nothing is left.
        """
        problems = []
        matched: set[Selectable] = set()
        for glob in self.cases:
            on_both = "/" in glob
            names = {each: f"{each.suite}/{each.case}" if on_both else each.case for each in known}
            found = {each for each, name in names.items() if fnmatchcase(name, glob)}
            matched |= found
            if not found:
                problems.append(
                    Problem(
                        f"no case is called {glob!r}",
                        did_you_mean=nearest(glob, list(names.values())),
                        hint="a glob on a case's id, or on SUITE/ID; `harness validate SUITE` "
                        "reads the suites",
                    )
                )
        tags = sorted({tag for each in known for tag in each.tags})
        for tag in self.tags:
            if tag not in tags:
                problems.append(
                    Problem(
                        f"no case has the tag {tag!r}",
                        found="" if tags else "no case has a tag",
                        expected=first_of(tags),
                        did_you_mean=nearest(tag, tags),
                    )
                )
        if problems:
            raise InputError(*problems)
        taken: list[Selectable] = []
        count: Counter[str] = Counter()
        for each in known:
            if self.cases and each not in matched:
                continue
            if self.tags and not set(self.tags) & set(each.tags):
                continue
            count[each.suite] += 1
            if self.limit is None or count[each.suite] <= self.limit:
                taken.append(each)
        if not taken:
            found_cases = f"{len(matched)} of {len(known)} cases are called so, none has the tag"
            raise InputError(
                Problem(
                    "no case is selected",
                    found=found_cases if self.cases and self.tags else "no case at all",
                    hint="a case has to be called so and to have one of the tags",
                )
            )
        return frozenset((each.suite, each.case) for each in taken)
