"""Parts of the page that look across cases: each is one file that counts and draws one subject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.reports.sections.base import Figures, Frozen, Section
from harness.reports.sections.behaviour import BehaviourSection
from harness.reports.sections.ifeval import IfevalSection
from harness.reports.sections.json_levels import JsonLevelsSection
from harness.reports.sections.judges import JudgesSection
from harness.reports.sections.languages import LanguageSection
from harness.reports.sections.long_context import LongContextSection
from harness.reports.sections.noise import NoiseSection
from harness.reports.sections.people import PeopleSection, people_extras
from harness.reports.sections.preferences import PreferenceSection
from harness.reports.sections.refusals import RefusalSection
from harness.reports.sections.role import RoleSection
from harness.reports.sections.second_opinion import SecondOpinionSection
from harness.reports.sections.slices import SliceSection
from harness.reports.sections.stability import StabilitySection
from harness.reports.sections.thinking import ThinkingSection
from harness.reports.sections.tries import TriesSection
from harness.results import Result

__all__ = [
    "SECTIONS",
    "Extras",
    "ExtrasCount",
    "Figures",
    "Frozen",
    "Section",
    "collect_extras",
    "people_extras",
]

# One file a section, one name a line, in the order of the page.
SECTIONS: tuple[type[Section[Any]], ...] = (
    SliceSection,
    IfevalSection,
    JsonLevelsSection,
    RoleSection,
    LanguageSection,
    RefusalSection,
    SecondOpinionSection,
    JudgesSection,
    LongContextSection,
    ThinkingSection,
    PeopleSection,
    PreferenceSection,
    TriesSection,
    BehaviourSection,
    StabilitySection,
    NoiseSection,
)

Extras = Mapping[str, tuple[Figures, ...]]  # by the name of the section


class ExtrasCount:
    """Counts results for all sections, one after the other, in any order."""

    def __init__(self) -> None:
        self._sections = [kind() for kind in SECTIONS if kind.figures]

    def add(self, result: Result) -> None:
        """Count one result."""
        for section in self._sections:
            section.see(result)

    def passing(self, results: Iterable[Result]) -> Iterator[Result]:
        """Yield the same results, each counted on its way to whoever reads them."""
        for result in results:
            self.add(result)
            yield result

    def extras(self) -> Extras:
        """Return the figures of what was counted, of the sections that have any."""
        found = {section.name: tuple(section.rows()) for section in self._sections}
        return {name: rows for name, rows in found.items() if rows}


def collect_extras(results: Iterable[Result]) -> Extras:
    """Read the results once, in any order, and keep counts."""
    count = ExtrasCount()
    for result in results:
        count.add(result)
    return count.extras()
