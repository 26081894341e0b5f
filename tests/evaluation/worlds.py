"""Suites, variants and runs for tests of the runner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.backends import Backend
from harness.common import GateSettings, Variant, VariantRole
from harness.evaluation import Counts, Limits, Plan, execute, make_plan
from harness.results import Event, Result, RunInfo, ignore
from harness.scorers import parse_check
from harness.store import Store
from harness.suites import Case, Position, Suite, Turn

BASE = Variant("base", "m", role=VariantRole.BASELINE)
TUNED = Variant("tuned", "m", adapter="a")
Observe = Callable[[Event], None]


def case(case_id: str, *users: str, check: Any = None, **fields: Any) -> Case:
    """A case; each turn says one of `users` (its id by default) and has the same check."""
    checks = (parse_check({"not": {"contains": "zzz"}} if check is None else check),)
    turns = tuple(Turn(user, checks) for user in users or (case_id,))
    return Case(case_id, "s", "c", Position("s.yaml", 1, 1), turns, **fields)


def suite(*cases: Case, name: str = "s") -> Suite:
    """A suite of these cases."""
    return Suite(name, "c", f"{name}.yaml", cases, gate=GateSettings())


def record(run_id: str = "run") -> RunInfo:
    """The least that a run's record must say."""
    return RunInfo(run_id, "2026-01-01T00:00:00Z", 0.0, "0", "scripted", "base", (), ())


def go(
    store: Path,
    plan: Plan,
    engine: Backend,
    observer: Observe = ignore,
    limits: Limits | None = None,
    run_id: str = "run",
) -> tuple[Counts, list[Result]]:
    """Execute a plan as one run of a store; its counts and results."""
    with Store(store) as opened:
        opened.start_run(record(run_id))
        counts = execute(plan, engine, opened, run_id, observer, limits)
        return counts, list(opened.results(run_id))


def plan_of(engine: Backend, *cases: Case, variants: tuple[Variant, ...] = (BASE,)) -> Plan:
    """The plan of one suite of these cases."""
    return make_plan([suite(*cases)], variants, engine)


class StoreCounts:
    """How often any store was opened, and how often the results of each run were read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = 0
        self.read: Counter[str] = Counter()
        start, results = Store.__init__, Store.results

        def opening(store: Store, path: Path, **options: Any) -> None:
            self.opened += 1
            start(store, path, **options)

        def reading(store: Store, run_id: str) -> Iterator[Result]:
            self.read[run_id] += 1
            yield from results(store, run_id)

        monkeypatch.setattr(Store, "__init__", opening)
        monkeypatch.setattr(Store, "results", reading)
