"""Warm engines anywhere on this machine: they hold memory that an engine of a run may lack.

A run looks for one beside its own store alone. Another project's, or another store's, is named
where memory is short, so that nobody has to search for what holds it.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.backends.values import Backend, Completion, Request
from harness.engine.home import Home
from harness.engine.values import KEEPER
from harness.errors import MachineryError, Problem

_PROCESSES = Path("/proc")  # Linux; elsewhere no engine is found


class Watched:
    """An engine of a run's own: where it finds too little memory, warm engines are named."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[Request, Completion]]:
        """See `Backend`."""
        try:
            yield from self._backend.generate(requests)
        except MachineryError as error:
            if "memory" not in str(error).lower() or not (found := holders()):
                raise
            raise MachineryError(*error.problems, *found) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


def holders() -> tuple[Problem, ...]:
    """Each warm engine of this user on this machine, and how to end it."""
    return tuple(_problem(folder) for folder in sorted({*_folders()}))


def _folders() -> Iterator[Path]:
    """The folders that keepers were given; a process may be gone while it is looked at."""
    for process in _PROCESSES.glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text(encoding="utf-8").split("\0")
            if words[1:3] == ["-m", KEEPER] and process.stat().st_uid == os.getuid():
                yield (process / "cwd").resolve().joinpath(words[3]).resolve()
        except (OSError, ValueError, IndexError):
            continue


def _problem(folder: Path) -> Problem:
    home = Home(folder.parent)
    try:
        model = str(json.loads(home.state.read_text(encoding="utf-8"))["model"])
    except (OSError, ValueError, KeyError):  # not written yet
        model = "an engine that is starting"
    store = shlex.quote(str(folder.parent / "store.db"))
    return Problem(
        "a warm engine holds memory on this machine",
        found=f"{model}, kept in {folder}",
        mend=f"harness engine down --store {store}",
    )
