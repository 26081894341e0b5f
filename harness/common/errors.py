"""What can go wrong, in two families: the user's input and the machinery.

    HarnessError
    ├── InputError       wrong input: exit 2, never a traceback
    └── MachineryError   the engine, the disk, a scorer: exit 3

Every problem is printed in one form:

    suites/invoices.yaml:14:9: check 'contians' is not known
      in case: refund_polite
      did you mean: contains
      hint: use one of contains, contains_all, contains_any, ...
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

LONG_HINT = 100  # characters: a list of names, say
LONGEST = 4_000  # characters of one part of a problem: a key may have a million


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where it stands, and how to fix it.

    `line` and `column` count from 1; 0 means that the place is not known.
    """

    message: str
    path: str = ""
    line: int = 0
    column: int = 0
    case: str = ""
    found: str = ""
    expected: str = ""
    did_you_mean: str = ""
    hint: str = ""

    @property
    def place(self) -> str:
        """`path`, `path:line` or `path:line:column`, as far as it is known."""
        parts = [self.path] if self.path else []
        if self.path and self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)

    def __str__(self) -> str:
        head = f"{self.place}: {self.message}" if self.path else self.message
        rows = (
            ("in case", self.case if len(self.case) <= 200 else f"{self.case[:200]}..."),
            ("found", self.found),
            ("expected", self.expected),
            ("did you mean", self.did_you_mean),
            ("hint", self.hint),
        )
        lines = [head, *(f"  {name}: {text}" for name, text in rows if text)]
        return "\n".join(each if len(each) <= LONGEST else f"{each[:LONGEST]}..." for each in lines)


class HarnessError(Exception):
    """Base of all errors that the harness raises on purpose."""

    exit_code: ClassVar[int] = 3

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems

    def __str__(self) -> str:
        # A list of all names is of use once; the nearest name stands in each problem by itself.
        told: set[str] = set()
        lines = []
        for problem in self.problems:
            again = len(problem.hint) > LONG_HINT and problem.hint in told
            lines.append(str(replace(problem, hint="") if again else problem))
            told.add(problem.hint)
        return "\n".join(lines)


class InputError(HarnessError):
    """The user's files, options or models are wrong."""

    exit_code: ClassVar[int] = 2


class MachineryError(HarnessError):
    """The input was right, and the work could not be done."""

    exit_code: ClassVar[int] = 3


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that `word` was probably meant to be, or an empty string."""
    close = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return close[0] if close else ""
