"""Checks that misbehave; `conftest.py` registers them for the tests of this folder only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from harness.scorers import Answer, Args, Context, Finding, forget, scorer


def runaway(answer: Answer, context: Context, args: Args) -> Finding:
    """A pattern that backtracks for ages, and holds the interpreter's lock all the while."""
    re.match(r"(a+)+$", "a" * 40 + "b")
    raise AssertionError("it ended")


def raising(answer: Answer, context: Context, args: Args) -> Finding:
    """A check with a mistake in it."""
    raise KeyError("total")


def unsure(answer: Answer, context: Context, args: Args) -> Finding:
    """Nobody can tell."""
    return Finding(None, 0.0, "too short to tell")


@contextmanager
def registered() -> Iterator[None]:
    """The checks are there while this holds; others list all checks and shall not meet them."""
    scorer("test_runaway", version=1)(runaway)
    scorer("test_raising", version=1)(raising)
    scorer("test_unsure", version=3)(unsure)
    scorer("test_dying", version=1)(dying)
    yield
    for name in ("test_runaway", "test_raising", "test_unsure", "test_dying"):
        forget(name)


class DyingArgs(Args):
    """`pid`: the process that is spared."""

    pid: int


def dying(answer: Answer, context: Context, args: DyingArgs) -> Finding:
    """Takes its process down, as a crash in a C library does."""
    if os.getpid() != args.pid:
        os._exit(1)
    return Finding(True, 1.0, "it was scored in the process of the tests")
