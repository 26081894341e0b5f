"""Runs compared with each other, from their results alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from harness.errors import InputError, Problem
from harness.gate.decision import Environments, judge_ledger
from harness.gate.ledger import Items, Ledger, collect, renamed
from harness.gate.values import GateReport, SuiteDemand
from harness.gate_settings import GateSettings
from harness.runner.values import Result
from harness.variants import VariantRole


def compare(
    runs: Mapping[str, Iterable[Result]],
    *,
    settings: Mapping[str, GateSettings] | None = None,
    insist: bool = False,
    environments: Environments | None = None,
) -> GateReport:
    """Compare runs, each the results of one variant under a name of its own.

    The first is the baseline, the others are candidates. Suites and cases that one side lacks are
    counted and said, never an error; `settings` holds each suite's bars (none by default).
    Raises InputError for fewer than two runs and where they have no suite in common.
    """
    ledger, categories = Ledger(), dict[str, str]()
    for name, results in runs.items():
        ledger.items.update(collect(renamed(_noting(results, categories), name)).items)
    common = _common_suites(ledger, tuple(runs))
    bars = settings or {}
    demands = []
    for suite in common:
        cases = min(len(ledger.of(suite, name)) for name in runs)
        gate = bars.get(suite, GateSettings())
        demands.append(SuiteDemand(suite, categories[suite], gate, cases, cases))
    report = judge_ledger(
        _only(ledger, common),
        demands,
        _roles(tuple(runs)),
        next(iter(runs)),
        insist=insist,
        environments=environments,
    )
    return replace(report, warnings=(*report.warnings, *_missing(ledger, tuple(runs), common)))


def _noting(results: Iterable[Result], categories: dict[str, str]) -> Iterator[Result]:
    for result in results:
        categories.setdefault(result.suite, result.category)
        yield result


def _common_suites(ledger: Ledger, runs: tuple[str, ...]) -> list[str]:
    if len(runs) < 2:
        raise InputError(Problem("a comparison needs at least two runs", found=", ".join(runs)))
    held = [{suite for suite, variant in ledger.items if variant == name} for name in runs]
    common = sorted(set.intersection(*held))
    if not common:
        found = "; ".join(
            f"{name}: {', '.join(sorted(suites)) or 'no results'}"
            for name, suites in zip(runs, held, strict=True)
        )
        raise InputError(Problem("the runs have no suite in common", found=found))
    return common


def _only(ledger: Ledger, suites: list[str]) -> Ledger:
    kept: dict[tuple[str, str], Items] = {
        key: items for key, items in ledger.items.items() if key[0] in suites
    }
    return Ledger(kept)


def _roles(runs: tuple[str, ...]) -> dict[str, VariantRole]:
    first, *others = runs
    return {first: VariantRole.BASELINE} | dict.fromkeys(others, VariantRole.CANDIDATE)


def _missing(ledger: Ledger, runs: tuple[str, ...], common: list[str]) -> Iterator[str]:
    for suite in sorted(ledger.suites() - set(common)):
        having = [name for name in runs if ledger.of(suite, name)]
        yield f"suite {suite} was not compared: only {', '.join(having)} has results"
