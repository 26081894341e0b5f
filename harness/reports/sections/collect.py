"""All extra rows, in one pass over the results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.reports.sections.ifeval import IfevalCount, IfevalRow
from harness.reports.sections.json_levels import JsonLevelsCount, JsonLevelsRow
from harness.reports.sections.role import RoleCount, RoleRow
from harness.reports.sections.second_opinion import SecondOpinionCount, SecondOpinionRow
from harness.reports.sections.stability import StabilityCount, StabilityRow
from harness.reports.sections.table import Frozen
from harness.results import Result


class Extras(Frozen):
    """Rows by suite and variant; none where the run did not use such checks or repeats."""

    ifeval: tuple[IfevalRow, ...] = ()
    json_levels: tuple[JsonLevelsRow, ...] = ()
    role: tuple[RoleRow, ...] = ()
    stability: tuple[StabilityRow, ...] = ()
    second_opinion: tuple[SecondOpinionRow, ...] = ()


class ExtrasCount:
    """Counts results, one after the other, in any order."""

    def __init__(self) -> None:
        self._ifeval, self._levels = IfevalCount(), JsonLevelsCount()
        self._role, self._stability = RoleCount(), StabilityCount()
        self._opinions = SecondOpinionCount()
        self._all = (self._ifeval, self._levels, self._role, self._stability, self._opinions)

    def add(self, result: Result) -> None:
        """Count one result."""
        for count in self._all:
            count.add(result)

    def passing(self, results: Iterable[Result]) -> Iterator[Result]:
        """The same results, each counted on its way to whoever reads them."""
        for result in results:
            self.add(result)
            yield result

    def extras(self) -> Extras:
        """The rows of what was counted."""
        return Extras(
            ifeval=tuple(self._ifeval.rows()),
            json_levels=tuple(self._levels.rows()),
            role=tuple(self._role.rows()),
            stability=tuple(self._stability.rows()),
            second_opinion=tuple(self._opinions.rows()),
        )


def collect_extras(results: Iterable[Result]) -> Extras:
    """Read the results once, in any order, and keep counts."""
    count = ExtrasCount()
    for result in results:
        count.add(result)
    return count.extras()
