"""What people said of answers, in the order of writing: rows are added, and never changed.

Whoever judges writes a row after each key: two people at two servers on one store lose nothing.
Pruning keeps all rows: they are about answers that a later run may give again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from harness.common import canonical_json
from harness.results import (
    HumanJudgement,
    judgement_from_json,
    judgement_to_json,
    reviewed,
)
from harness.store.schema import damaged, translated
from harness.store.store import Store, checksum_of


def add_judgements(store: Store, rows: Sequence[HumanJudgement]) -> None:
    """Keep rows, in one commit; one whose id is there already is passed over."""
    written = []
    for row in rows:
        body = canonical_json(judgement_to_json(row))
        written.append((row.id, body, checksum_of(row.id, body)))
    with store.transaction() as connection:
        connection.executemany(
            "INSERT OR IGNORE INTO judgements (key, body, checksum) VALUES (?, ?, ?)", written
        )


def read_judgements(
    store: Store, suites: Iterable[str], rater: str = ""
) -> tuple[HumanJudgement, ...]:
    """Return all rows about these suites, undone ones and undoing ones too, oldest first.

    rater: those of this one alone.

    Raises MachineryError for a row that is not as it was written.
    """
    with translated(store.path), store.reading() as connection:
        # A store that is only read may be of a version that had none.
        if not connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'judgements'"
        ).fetchone():
            return ()
        rows = connection.execute(
            "SELECT key, body, checksum FROM judgements WHERE json_extract(body, '$.suite') IN "
            "(SELECT value FROM json_each(?)) AND ? IN ('', json_extract(body, '$.rater')) "
            "ORDER BY id",
            (json.dumps(sorted(set(suites))), rater),
        ).fetchall()
    for key, body, checksum in rows:
        if checksum_of(key, body) != checksum:
            raise damaged(store.path, f"the judgement {key!r} has changed")
    return tuple(judgement_from_json(json.loads(body), str(store.path)) for _, body, _ in rows)


def judgements_of(store: Store, run_id: str) -> tuple[HumanJudgement, ...]:
    """Return the judgements that stand, of all raters, about answers that this run gave.

    Raises InputError for a run that is not in the store.
    """
    info = store.run(run_id)
    rows = read_judgements(store, (suite.name for suite in info.suites))
    return reviewed(rows, store.results(run_id)).judgements
