"""All extra rows, in one pass over the results."""

from __future__ import annotations

from collections.abc import Iterable

from harness.reports.extras.ifeval import IfevalCount, IfevalRow
from harness.reports.extras.json_levels import JsonLevelsCount, JsonLevelsRow
from harness.reports.extras.role import RoleCount, RoleRow
from harness.reports.extras.row import Frozen
from harness.reports.extras.second_opinion import SecondOpinionCount, SecondOpinionRow
from harness.reports.extras.stability import StabilityCount, StabilityRow
from harness.runner.values import Result


class Extras(Frozen):
    """Rows by suite and variant; none where the run did not use such checks or repeats."""

    ifeval: tuple[IfevalRow, ...] = ()
    json_levels: tuple[JsonLevelsRow, ...] = ()
    role: tuple[RoleRow, ...] = ()
    stability: tuple[StabilityRow, ...] = ()
    second_opinion: tuple[SecondOpinionRow, ...] = ()


def collect_extras(results: Iterable[Result]) -> Extras:
    """Read the results once, in any order, and keep counts."""
    ifeval, levels, role, stable = IfevalCount(), JsonLevelsCount(), RoleCount(), StabilityCount()
    opinions = SecondOpinionCount()
    for result in results:
        for count in (ifeval, levels, role, stable, opinions):
            count.add(result)
    return Extras(
        ifeval=tuple(ifeval.rows()),
        json_levels=tuple(levels.rows()),
        role=tuple(role.rows()),
        stability=tuple(stable.rows()),
        second_opinion=tuple(opinions.rows()),
    )
