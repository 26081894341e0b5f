"""Which cases of a repaired suite the rounds may look at, and which only the promotion sees."""

from __future__ import annotations

from dataclasses import dataclass

from harness.canonical import digest
from harness.errors import InputError, Problem
from harness.suites import Case, Suite

DIGITS = 8  # hexadecimal; cuts the range from 0 to 1 finely enough


@dataclass(frozen=True)
class Split:
    """The cases of a suite on both sides. Cases of one cluster are on one side."""

    dev: tuple[Case, ...]
    holdout: tuple[Case, ...]


def split_suite(suite: Suite, share: float) -> Split:
    """Split by the hash of each case's id, or of its cluster: `share` of them are held out.

    A case keeps its side when others are added, or when its text is mended. Raises InputError
    where a side is empty.
    """
    held = {case.id for case in suite.cases if _place(suite, case) < share}
    dev = tuple(case for case in suite.cases if case.id not in held)
    holdout = tuple(case for case in suite.cases if case.id in held)
    if not dev or not holdout:
        side = "holdout" if not holdout else "dev"
        raise InputError(
            Problem(
                f"suite {suite.name!r} cannot be split: no case is left for {side}",
                path=suite.path,
                found=f"{len(suite.cases)} cases, holdout {share:g}",
                mend="add cases, or change fix: {holdout: ...}",
            )
        )
    return Split(dev, holdout)


def _place(suite: Suite, case: Case) -> float:
    """A number from 0 to 1 that is the same on every machine."""
    kind, name = ("cluster", case.cluster) if case.cluster else ("case", case.id)
    found: float = int(digest([suite.name, kind, name], DIGITS), 16) / 16**DIGITS
    return found
