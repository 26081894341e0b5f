"""Checks that misbehave."""

from __future__ import annotations

import re

from harness.scorers import Answer, Args, Context, Finding, scorer


@scorer("test_runaway", version=1)
def runaway(answer: Answer, context: Context, args: Args) -> Finding:
    """A pattern that backtracks for ages, and holds the interpreter's lock all the while."""
    re.match(r"(a+)+$", "a" * 40 + "b")
    raise AssertionError("it ended")


@scorer("test_raising", version=1)
def raising(answer: Answer, context: Context, args: Args) -> Finding:
    """A check with a mistake in it."""
    raise KeyError("total")


@scorer("test_unsure", version=3)
def unsure(answer: Answer, context: Context, args: Args) -> Finding:
    """Nobody can tell."""
    return Finding(None, 0.0, "too short to tell")
