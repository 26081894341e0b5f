"""What a reader of results asks for, a page at a time: short queries, and nothing is written.

The indexes of version 4 serve them; in an older file the same queries read more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.results import Outcome, Result, result_from_json
from harness.store.schema import OF_RESULT, damaged
from harness.store.store import Store, checksum_of

Tally = Mapping[tuple[str, str], Mapping[Outcome, int]]  # by suite and variant


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases of a run: each field narrows them down; `text` stands anywhere in a result."""

    suite: str = ""
    variant: str = ""
    outcome: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class CaseInRun:
    """One case of a run: how often each variant had which outcome.

    `telling` is the result that says most: the first wanted one that failed or broke, if one did.
    """

    suite: str
    case: str
    outcomes: Mapping[str, Mapping[Outcome, int]]
    telling: Result


@dataclass(frozen=True, slots=True)
class PlacedResult:
    """One result with the run that it is of, and its position there."""

    run: str
    position: int
    result: Result
    keys: tuple[str, ...] = field(default=(), repr=False)


_RUN = "(SELECT seq FROM runs WHERE id = :run)"
# Sorted inside, so that SQLite reads the index alone.
_ROWS = """
SELECT {suite} AS suite, {case} AS name, {variant} AS variant, {outcome} AS outcome, position
FROM results WHERE run = (SELECT seq FROM runs WHERE id = :run)
""".format_map(OF_RESULT)
_SORTED = f"({_ROWS} ORDER BY 1, 2, 3, 4 LIMIT -1)"
# The first half is fast and finds too much: names of fields and roles are in the text of a row.
_HOLDS = """
AND instr(lower(body), :written) AND EXISTS (
    SELECT 1 FROM json_tree(body)
    WHERE type = 'text' AND key <> 'role' AND instr(lower(atom), :text)
)
"""
# A cross join, or SQLite begins with the run and reads all of its results.
_PLACED = """
SELECT runs.id, position, cached, seconds, keys, results.body, results.checksum
FROM results CROSS JOIN runs ON runs.seq = results.run
"""
_CASE = "WHERE {suite} = :suite AND {case} = :case".format_map(
    {name: text.replace("body", "results.body") for name, text in OF_RESULT.items()}
)


def tally(store: Store, run_id: str) -> Tally:
    """Count the results that a run has so far, by suite, variant and outcome."""
    query = f"SELECT suite, variant, outcome, count(*) FROM {_SORTED} GROUP BY 1, 2, 3"
    with store.reading() as connection:
        rows = connection.execute(query, {"run": run_id}).fetchall()
    counts: dict[tuple[str, str], dict[Outcome, int]] = {}
    for suite, variant, outcome, count in rows:
        if outcome is not None:  # a damaged row
            counts.setdefault((suite, variant), {})[Outcome(outcome)] = count
    return counts


def cases_of(
    store: Store, run_id: str, wanted: CaseFilter, *, most: int, after: int = 0
) -> tuple[list[CaseInRun], int]:
    """Return `most` cases of a run behind the first `after`, in its order, and how many there are.

    Of a case that is wanted all outcomes are told. Raises MachineryError for a damaged result.
    """
    values: dict[str, object] = {"run": run_id, "most": most, "after": after}
    narrower = ""
    for column in ("suite", "variant", "outcome"):
        if text := getattr(wanted, column):
            narrower += f" AND {column} = :{column}"
            values[column] = text
    rows = _SORTED
    if wanted.text:
        text = wanted.text.lower()
        values |= {"text": text, "written": json.dumps(text)[1:-1].lower()}
        rows = f"({_ROWS} {_HOLDS})"
    with store.reading() as connection:
        found = connection.execute(
            f"SELECT suite, name, min(position), count(*) OVER () FROM {rows} "
            f"WHERE suite IS NOT NULL {narrower} GROUP BY 1, 2 "
            "ORDER BY 3 LIMIT :most OFFSET :after",
            values,
        ).fetchall()
        cases = []
        for suite, case, *_ in found:
            at = {"run": run_id, "suite": suite, "case": case}
            told = connection.execute(
                "SELECT variant, outcome, count(*), min(position) FROM "
                f"({_ROWS} AND {OF_RESULT['suite']} = :suite AND {OF_RESULT['case']} = :case) "
                "GROUP BY 1, 2 ORDER BY 4",
                at,
            ).fetchall()
            outcomes: dict[str, dict[Outcome, int]] = {}
            places = []
            for variant, outcome, count, position in told:
                outcomes.setdefault(variant, {})[Outcome(outcome)] = count
                if wanted.variant in ("", variant):
                    places.append((outcome not in (Outcome.FAIL, Outcome.ERROR), position))
            row = connection.execute(
                f"{_PLACED} WHERE run = {_RUN} AND position = :position",
                {"run": run_id, "position": min(places)[1]},
            ).fetchone()
            cases.append(CaseInRun(suite, case, outcomes, _placed(store, row).result))
    return cases, found[0][3] if found else 0


def results_of_case(
    store: Store, suite: str, case: str, *, most: int, after: int = 0, run_id: str = ""
) -> tuple[list[PlacedResult], int]:
    """Return `most` results of one case behind the first `after`, and how many there are.

    Those of the newest run come first, each run's in their order; or those of one run alone.
    """
    values = {"suite": suite, "case": case, "most": most, "after": after, "run": run_id}
    # With its plus the run is no reason to read all of its results.
    where = _CASE + (f" AND +results.run = {_RUN}" if run_id else "")
    with store.reading() as connection:
        count = connection.execute(f"SELECT count(*) FROM results {where}", values).fetchone()[0]
        rows = connection.execute(
            f"{_PLACED} {where} ORDER BY results.run DESC, position LIMIT :most OFFSET :after",
            values,
        ).fetchall()
    return [_placed(store, row) for row in rows], int(count)


def results_at(store: Store, places: Iterable[tuple[str, int]]) -> list[PlacedResult]:
    """Return the results at these places, each a run and a position; none for one that is gone."""
    with store.reading() as connection:
        found = [
            connection.execute(
                f"{_PLACED} WHERE run = {_RUN} AND position = :position",
                {"run": run, "position": position},
            ).fetchone()
            for run, position in places
        ]
    return [_placed(store, row) for row in found if row]


def neighbours(
    store: Store, run_id: str, suite: str, case: str
) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
    """Return suite and case before and after this one in the order of a run."""
    values: dict[str, object] = {"run": run_id, "suite": suite, "case": case}
    ends = (
        f"SELECT min(position), max(position) FROM results WHERE run = {_RUN} "
        f"AND {OF_RESULT['suite']} = :suite AND {OF_RESULT['case']} = :case"
    )
    found: list[tuple[str, str] | None] = []
    with store.reading() as connection:
        first, last = connection.execute(ends, values).fetchone()
        for sign, order, place in (("<", "DESC", first), (">", "ASC", last)):
            row = connection.execute(
                f"SELECT {OF_RESULT['suite']}, {OF_RESULT['case']} FROM results WHERE "
                f"run = {_RUN} AND position {sign} :place ORDER BY position {order} LIMIT 1",
                {"run": run_id, "place": place},
            ).fetchone()
            found.append(None if row is None else (str(row[0]), str(row[1])))
    return found[0], found[1]


def newest_answer(store: Store) -> str:
    """Return when the newest answer came, ISO 8601 in UTC; empty for a store without any."""
    with store.reading() as connection:
        query = "SELECT created FROM completions ORDER BY id DESC LIMIT 1"
        row = connection.execute(query).fetchone()
    return str(row[0]) if row else ""


def run_ids(store: Store) -> list[str]:
    """Return the ids of all runs, newest first; their records are not read."""
    with store.reading() as connection:
        rows = connection.execute("SELECT id FROM runs ORDER BY seq DESC").fetchall()
    return [str(row[0]) for row in rows]


def runs_holding(store: Store, text: str) -> list[str]:
    """Return the ids of runs whose id or record holds a text, in any case, newest first."""
    query = (
        "SELECT id FROM runs WHERE instr(lower(id), :text) OR EXISTS (SELECT 1 FROM "
        "json_tree(body) WHERE type = 'text' AND instr(lower(atom), :text)) ORDER BY seq DESC"
    )
    with store.reading() as connection:
        rows = connection.execute(query, {"text": text.lower()}).fetchall()
    return [str(row[0]) for row in rows]


def _placed(store: Store, row: tuple[str, int, int, float, str, str, str]) -> PlacedResult:
    run, position, cached, seconds, keys, body, checksum = row
    if checksum_of(position, body) != checksum:
        raise damaged(store.path, f"result {position} of run {run} has changed")
    result = result_from_json(json.loads(body), cached=bool(cached), seconds=seconds)
    return PlacedResult(run, position, result, tuple(json.loads(keys)))
