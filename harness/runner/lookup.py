"""A store that is there, and a run by what a person types: its id, its beginning, or `latest`."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from harness.errors import InputError, Problem
from harness.runner.store import Store
from harness.runner.values import RunInfo

LATEST = "latest"
ALIKE = 0.9  # ids share their date with each other: less than this is another run
SHOWN = 5  # ids in a message


def existing_store(path: Path) -> Store:
    """The store at this path; raises InputError where there is none, and makes none."""
    if not path.exists():
        raise InputError(
            Problem(
                "there is no store here: nothing was run yet",
                path=str(path),
                mend="`harness run` makes it; --store FILE names another",
            )
        )
    return Store(path)


def count_results(store: Store, run_id: str) -> int:
    """How many results the store holds of a run."""
    with store.reading() as connection:
        query = "SELECT count(*) FROM results WHERE run = (SELECT seq FROM runs WHERE id = ?)"
        return int(connection.execute(query, (run_id,)).fetchone()[0])


def find_run(store: Store, text: str) -> RunInfo:
    """The run that `text` means; raises InputError for none and for several."""
    runs = store.runs()
    if text == LATEST and runs:
        return runs[0]
    found = [run for run in runs if run.id == text] or [
        run for run in runs if text and run.id.startswith(text)
    ]
    if len(found) == 1:
        return found[0]
    ids = [run.id for run in runs]
    raise InputError(_several(text, [run.id for run in found]) if found else _none(text, ids))


def _none(text: str, ids: list[str]) -> Problem:
    return Problem(
        f"no run is called {text!r}",
        found="no run at all" if not ids else "",
        did_you_mean=next(iter(get_close_matches(text, ids, n=1, cutoff=ALIKE)), ""),
        mend="`harness runs` lists them; `latest` is the newest",
    )


def _several(text: str, ids: list[str]) -> Problem:
    return Problem(
        f"{text!r} is the beginning of {len(ids)} runs",
        found=", ".join(ids[:SHOWN]) + (", …" if len(ids) > SHOWN else ""),
        mend="type more of the id",
    )
