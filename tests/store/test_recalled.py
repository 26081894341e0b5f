"""A run's results are given from the start each time; small ones are read once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.backends import open_backend
from harness.store import Recalled, Store
from tests.evaluation.worlds import StoreCounts, case, go, plan_of


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store with the run `run`: three cases on echo."""
    echo, path = open_backend("echo"), tmp_path / "store.db"
    go(path, plan_of(echo, case("a", "one"), case("b", "two"), case("c", "three")), echo)
    with Store(path) as opened:
        yield opened


@pytest.mark.parametrize("most", [0, 1_000_000])
def test_all_results_come_each_time(store: Store, most: int) -> None:
    recalled = Recalled(store, "run", most)

    first, second = list(recalled), list(recalled)

    assert [result.case for result in first] == ["a", "b", "c"]
    assert first == second == list(store.results("run"))
    assert (recalled.kept is None) == (most == 0)


def test_a_half_read_pass_leaves_the_next_whole(store: Store) -> None:
    recalled = Recalled(store, "run")

    next(iter(recalled))

    assert [result.case for result in recalled] == ["a", "b", "c"]


def test_what_was_taken_is_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = list(store.results("run"))
    recalled, counts = Recalled(store, "run"), StoreCounts(monkeypatch)
    for position in (2, 0, 1):
        recalled.take(position, stored[position])

    assert list(recalled) == list(recalled) == stored
    assert not counts.read


@pytest.mark.parametrize(("taken", "most"), [(2, 1_000_000), (3, 10)])
def test_what_was_not_all_taken_is_read(store: Store, taken: int, most: int) -> None:
    stored, recalled = list(store.results("run")), Recalled(store, "run", most)
    for position in range(taken):
        recalled.take(position, replace(stored[position], reason="in memory"))

    assert list(recalled) == stored


def test_results_are_measured_as_they_are_stored(store: Store) -> None:
    with store.reading() as connection:
        bodies = [row[0] for row in connection.execute("SELECT body FROM results")]

    assert store.size_of("run") == sum(map(len, bodies)) > 0
