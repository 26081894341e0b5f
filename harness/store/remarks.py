"""What people say of a run: a short label and a longer note, in the journal of the store.

They may be written, changed and taken back at any time: neither results nor verdicts know of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.common import InputError, Problem, shown
from harness.store.journal import read_entries, read_entry, strike_entries, write_entry
from harness.store.store import Store

LONGEST_LABEL = 80  # characters: it stands in tables
LONGEST_NOTE = 10_000
_KEY = "remark/"


@dataclass(frozen=True, slots=True)
class Remark:
    """The label and the note of one run; an empty text is none."""

    label: str = ""
    note: str = ""


def remark_key(run_id: str) -> str:
    """Return the key of a run's remark in the journal."""
    return f"{_KEY}{run_id}"


def remark_of(store: Store, run_id: str) -> Remark:
    """Return what was said of a run."""
    entry: Any = read_entry(store, remark_key(run_id))
    return Remark(**entry) if entry else Remark()


def remarks(store: Store) -> Mapping[str, Remark]:
    """Return what was said of runs, by their ids; a run of which nothing was said is not in it."""
    entries: Mapping[str, Any] = read_entries(store, _KEY)
    return {key.removeprefix(_KEY): Remark(**entry) for key, entry in entries.items()}


def check_remark(label: str | None, note: str | None) -> None:
    """Raise InputError for a label that is no short line, and for a note that is too long."""
    problems = []
    if label is not None and (len(label) > LONGEST_LABEL or len(label.splitlines()) > 1):
        expected = f"one line of {LONGEST_LABEL} characters at most"
        hint = "a longer text is a note: --note TEXT"
        problems.append(
            Problem("the label is no short line", found=shown(label), expected=expected, hint=hint)
        )
    if note is not None and len(note) > LONGEST_NOTE:
        found, expected = f"{len(note):,} characters", f"{LONGEST_NOTE:,} at most"
        problems.append(Problem("the note is too long", found=found, expected=expected))
    if problems:
        raise InputError(*problems)


def say_of(
    store: Store, run_id: str, *, label: str | None = None, note: str | None = None
) -> Remark:
    """Write label, note or both; None leaves what is there, an empty text takes it back.

    Raises InputError for a run that is not in the store, and for texts that are too long.
    """
    check_remark(label, note)
    store.run(run_id)
    known = remark_of(store, run_id)
    said = Remark(
        known.label if label is None else label.strip(),
        known.note if note is None else note.strip(),
    )
    if said == known:
        return said
    if said == Remark():
        strike_entries(store, [remark_key(run_id)])
    else:
        write_entry(store, remark_key(run_id), asdict(said))
    return said
