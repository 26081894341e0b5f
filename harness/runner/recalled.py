"""A run's results, read again and again: from memory where they are small."""

from __future__ import annotations

from collections.abc import Iterator

from harness.runner.store import Store
from harness.runner.values import Result

# Characters of stored rows. Some 15,000 results of short answers; as values they take 60 MB.
MOST = 12_000_000


class Recalled:
    """The results of a run in their order, from the start each time.

    Those of a large run are read from the store each time, and never all in memory.
    """

    def __init__(self, store: Store, run_id: str, most: int = MOST) -> None:
        self._store, self._run_id = store, run_id
        self._is_small = store.size_of(run_id) <= most
        self.kept: tuple[Result, ...] | None = None

    def __iter__(self) -> Iterator[Result]:
        if not self._is_small:
            return self._store.results(self._run_id)
        if self.kept is None:
            self.kept = tuple(self._store.results(self._run_id))
        return iter(self.kept)
