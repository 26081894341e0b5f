"""Parts of the page that look across cases; each is one module with one class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from markupsafe import Markup

from harness.reports.sections.ifeval import IfevalSection
from harness.reports.sections.json_levels import JsonLevelsSection
from harness.reports.sections.languages import LanguageGrid
from harness.reports.sections.long_context import LongContext
from harness.reports.sections.noise import NoiseSection
from harness.reports.sections.refusals import Refusals
from harness.reports.sections.role import RoleSection
from harness.reports.sections.second_opinion import SecondOpinionSection
from harness.reports.sections.stability import StabilitySection
from harness.results import Result

if TYPE_CHECKING:
    from harness.reports.scorecard import Scorecard


__all__ = ["Section", "all_sections"]


class Section(Protocol):
    """A part of the page between the suites and the cases.

    `see` is given every result once, in any order, and keeps counts only; then `filled` says
    whether there is anything to show, and `markup` gives the escaped HTML below the heading.
    """

    title: str

    def see(self, result: Result) -> None:
        """Take one result."""

    @property
    def filled(self) -> bool:
        """Whether there is anything to show."""

    def markup(self) -> Markup:
        """The section's HTML."""


def all_sections(scorecard: Scorecard) -> tuple[Section, ...]:
    """The sections, in the order in which the page shows them."""
    return (
        IfevalSection(scorecard),
        JsonLevelsSection(scorecard),
        RoleSection(scorecard),
        LanguageGrid(scorecard),
        Refusals(scorecard),
        SecondOpinionSection(scorecard),
        LongContext(scorecard),
        StabilitySection(scorecard),
        NoiseSection(scorecard),
    )
