"""Rows that keep what the model can do: from pools, or from its own answers that pass. No cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.common import GenerateSettings, InputError, Problem
from harness.results import Observer, ignore
from harness.suites import Case, Suite
from harness.training.rows import RowFile
from harness.training.sources.generated import practice_cases
from harness.training.sources.pools import drawn, fair_shares, read_pools
from harness.training.sources.teacher import Teacher, teach
from harness.training.sources.values import Harvest

SEEDS = 2  # haystacks of each length and depth, where a suite does not say how many


def replay_rows(share: float, teaching: int) -> int:
    """Return how many rows make this share of all, beside those that teach."""
    return round(teaching * share / (1 - share))


def replay_from_pools(files: Sequence[RowFile], *, count: int, seed: str) -> tuple[Harvest, ...]:
    """Return so many rows, evenly from the pools."""
    harvests = read_pools(files, most=count, seed=seed)
    return tuple(
        replace(found, rows=tuple(replace(row, replay=True) for row in found.rows))
        for found in harvests
    )


@dataclass(frozen=True)
class ReplayPrompts:
    """Prompts of a suite's generators that the model may answer, to replay what passes."""

    suite: Suite
    cases: tuple[Case, ...]


def replay_prompts(
    others: Sequence[Suite], *, seed: str, modules: Sequence[str] = ()
) -> tuple[ReplayPrompts, ...]:
    """Generate prompts of other suites. Raise InputError where none of them can make any."""
    found = []
    for suite in others:
        generate = suite.fix.generate if suite.fix and suite.fix.generate else None
        settings = generate or GenerateSettings(seeds=SEEDS)
        whole = replace(suite, retired=())
        cases = practice_cases(whole, settings, tag=f"replay-{seed}", modules=modules)
        if cases:
            found.append(ReplayPrompts(suite, cases))
    if not found:
        raise InputError(_nothing("no pool is named, and no other suite makes prompts of its own"))
    return tuple(found)


def replay_from_model(
    teacher: Teacher,
    prompts: Sequence[ReplayPrompts],
    *,
    count: int,
    seed: str,
    observer: Observer = ignore,
) -> tuple[Harvest, ...]:
    """Return the model's own answers to these prompts, where their suites' checks pass.

    Raise InputError where no answer passes.
    """
    found = [
        teach(teacher, asked.suite, asked.cases, replay=True, observer=observer)
        for asked in prompts
    ]
    if count and not sum(harvest.kept for harvest in found):
        raise InputError(_nothing(f"no answer of {teacher.label} to generated prompts passes"))
    shares = fair_shares([harvest.kept for harvest in found], count)
    return tuple(
        replace(harvest, rows=drawn(harvest.rows, share, f"{seed}/{harvest.source}"))
        for harvest, share in zip(found, shares, strict=True)
    )


def _nothing(why: str) -> Problem:
    return Problem(
        f"nothing to replay: {why}",
        expected="rows of what the model can do, against forgetting",
        hint="name pools under fix: {replay: {pools: [...]}}, or set its share to 0",
    )
