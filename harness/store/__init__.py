"""The database of completions, results and history."""

from harness.store.journal import drop_runs, read_entries, read_entry, strike_entries, write_entry
from harness.store.judgements import add_judgements, judgements_of, read_judgements
from harness.store.nights import Part, join_stores, split_by_night
from harness.store.schema import chunks
from harness.store.store import (
    Entry,
    Recalled,
    ResultRow,
    RunNotFoundError,
    Store,
    count_results,
    existing_store,
    find_run,
)
from harness.store.upkeep import (
    Pruned,
    Repair,
    Share,
    Stats,
    Usage,
    Verification,
    prune,
    repair,
    stats,
    usage_of,
    verify,
)

__all__ = [
    "Entry",
    "Part",
    "Pruned",
    "Recalled",
    "Repair",
    "ResultRow",
    "RunNotFoundError",
    "Share",
    "Stats",
    "Store",
    "Usage",
    "Verification",
    "add_judgements",
    "chunks",
    "count_results",
    "drop_runs",
    "existing_store",
    "find_run",
    "join_stores",
    "judgements_of",
    "prune",
    "read_entries",
    "read_entry",
    "read_judgements",
    "repair",
    "split_by_night",
    "stats",
    "strike_entries",
    "usage_of",
    "verify",
    "write_entry",
]
