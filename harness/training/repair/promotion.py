"""The adapter that is in use: a link that changes atomically, its history, and the way back.

    .harness/adapters/
        current -> fix-1a2b3c4d-9f8e7d6c     what production loads
        fix-1a2b3c4d-9f8e7d6c/               never changed once it is there
        current.history.jsonl                one line for each change

Two loops at once cannot both promote: the change is made under a lock, and only where `current` is
still what the loop started from.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from harness.common import InputError, MachineryError, Problem, alone, nearest

NOTHING = ""  # no adapter: the base alone
SHOWN = {NOTHING: "the base without an adapter"}
LOCK_SECONDS = 60.0  # a change takes milliseconds; a longer wait means that something hangs
_FILES = (".safetensors", ".json", ".jinja", ".md", ".txt", ".model", ".yaml")


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the history: what `current` became, and what it was before."""

    time: str
    action: Literal["promote", "rollback"]
    adapter: str
    was: str
    loop: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class AdapterPlace:
    """The link that names the adapter in use; the adapters lie beside it."""

    link: Path

    def __post_init__(self) -> None:
        if not self.link.name:  # `.` and `/`, beside which nothing can lie
            hint = "name the link itself: --current DIR/current"
            raise InputError(Problem("this path names no link", str(self.link), hint=hint))

    @property
    def folder(self) -> Path:
        """Where adapters lie."""
        return self.link.parent

    @property
    def history(self) -> Path:
        """The file with a line for each change."""
        return self.link.with_name(f"{self.link.name}.history.jsonl")

    def adapter(self) -> str:
        """Return the directory's name of the adapter in use; `NOTHING` without one.

        Raise InputError where something else stands in the link's place.
        """
        if self.link.is_symlink():
            return Path(os.readlink(self.link)).name
        if self.link.exists():
            raise InputError(
                Problem(
                    "something else stands where the link to the adapter in use belongs",
                    path=str(self.link),
                    hint="move it away, or name another place with --current PATH",
                )
            )
        return NOTHING

    def changes(self) -> tuple[Change, ...]:
        """Return the history, oldest first; a line that was cut off by a crash is passed over."""
        if not self.history.is_file():
            return ()
        found = []
        for line in self.history.read_text(encoding="utf-8").splitlines():
            try:
                found.append(Change(**json.loads(line)))
            except (ValueError, TypeError):
                continue
        return tuple(found)


def promote(
    place: AdapterPlace, adapter: Path, name: str, *, expected: str, loop: str, run: str
) -> Change:
    """Copy the adapter beside the link under `name`, and let the link point to it.

    `expected` is what was in use when the loop started: raises MachineryError where it has changed
    since. Called again after a crash, it only does what is missing.
    """
    with _locked(place):
        now = place.adapter()
        if now not in (expected, name):
            raise MachineryError(
                Problem(
                    "another adapter was promoted in the meantime",
                    path=str(place.link),
                    found=shown(now),
                    expected=f"{shown(expected)}, which this loop compared with",
                    hint="run the suites again, and fix that run",
                )
            )
        _copy(adapter, place.folder / name)
        return _change(place, Change(_time(), "promote", name, expected, loop, run))


def rollback(place: AdapterPlace, to: str | None = None) -> Change:
    """Let the link point to the adapter that was in use before, or to the one called `to`.

    Raise InputError where there is none.
    """
    with _locked(place):
        now = place.adapter()
        wanted = _before(place, now) if to is None else _named(place, to)
        if wanted == now:
            raise InputError(Problem(f"{shown(now)} is in use already", path=str(place.link)))
        if wanted and not (place.folder / wanted).is_dir():
            raise InputError(Problem(f"adapter {wanted!r} is gone", path=str(place.folder)))
        return _change(place, Change(_time(), "rollback", wanted, now))


def shown(name: str) -> str:
    """Return an adapter in words."""
    return SHOWN.get(name, name)


@contextmanager
def _locked(place: AdapterPlace) -> Iterator[None]:
    lock = place.link.with_name(f".{place.link.name}.lock")
    with alone(lock, "another process changes it", place.link, patience=LOCK_SECONDS):
        yield


def _change(place: AdapterPlace, change: Change) -> Change:
    if place.adapter() != change.adapter:
        _point(place.link, change.adapter)
    last = place.changes()[-1:]
    if not last or (last[0].adapter, last[0].loop) != (change.adapter, change.loop):
        with place.history.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(change)) + "\n")
            file.flush()
            os.fsync(file.fileno())
    return change


def _point(link: Path, name: str) -> None:
    """One rename: a reader sees the old adapter or the new one, never none."""
    if not name:
        link.unlink()
        return
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        temporary.symlink_to(name, target_is_directory=True)
        os.replace(temporary, link)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        problem = Problem("the link cannot be made", path=str(link), found=str(error.strerror))
        raise MachineryError(problem) from None


def _copy(adapter: Path, target: Path) -> None:
    """The adapter's files without checkpoints; whole or not at all."""
    if target.is_dir():
        return
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for file in sorted(adapter.iterdir()):
        if file.is_file() and file.suffix in _FILES:
            shutil.copy2(file, temporary / file.name)
    os.replace(temporary, target)


def _before(place: AdapterPlace, now: str) -> str:
    """Return what was in use before `now` was promoted: two steps back are two steps back."""
    for change in reversed(place.changes()):
        if change.action == "promote" and change.adapter == now:
            return change.was
    raise InputError(
        Problem(
            "there is nothing to go back to",
            path=str(place.history),
            found=f"{shown(now)} is in use, and nothing is recorded of before it was promoted",
            hint="take any adapter of the history: harness rollback --list, then --to NAME",
        )
    )


def _named(place: AdapterPlace, text: str) -> str:
    if text == "base":
        return NOTHING
    names = sorted({change.adapter for change in place.changes() if change.adapter})
    found = [name for name in names if name == text] or [n for n in names if n.startswith(text)]
    if len(found) == 1:
        return found[0]
    raise InputError(
        Problem(
            f"no adapter of the history is called {text!r}"
            if not found
            else f"{text!r} is the beginning of {len(found)} adapters",
            path=str(place.history),
            expected=", ".join(["base", *names]),
            did_you_mean=nearest(text, names),
        )
    )


def _time() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
