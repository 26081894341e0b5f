"""The sections that show extra figures of the scorecard."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest

from harness.reports import build_scorecard
from harness.reports.html import ScorecardPage
from harness.reports.sections import SECTIONS, Figures, Section
from harness.reports.sections.ifeval import IfevalRow, IfevalSection
from harness.reports.sections.json_levels import JsonLevel, JsonLevelsRow, JsonLevelsSection
from harness.reports.sections.role import RoleRow, RoleSection, RoleTurn
from harness.reports.sections.second_opinion import (
    Disagreement,
    SecondOpinionRow,
    SecondOpinionSection,
)
from harness.reports.sections.stability import StabilityRow, StabilitySection, Unstable
from tests.reports.samples import INJECTION, info, report


def figures(suite: str = "s") -> dict[str, Figures]:
    """A row of each kind."""
    name = {"suite": suite, "variant": INJECTION if suite == INJECTION else "base"}
    levels = (JsonLevel(level="L0", reached=3, n=4, share=0.75),)
    turns = (RoleTurn(turn=1, stability=1.0, n=8), RoleTurn(turn=3, stability=0.5, n=6))
    changed = tuple(
        Unstable(case=f"{suite}-{n}", passed=(0,), not_passed=(1, 2)) for n in range(10)
    )
    apart = tuple(
        Disagreement(case=f"{suite}-{n}", turn=n, repeat=n - 1, rule=n == 1, judge=n != 1)
        for n in range(1, 11)
    )
    return {
        "second_opinion": SecondOpinionRow(
            **name, n=20, agreement=0.5, kappa=-0.125, disagreements=apart
        ),
        "ifeval": IfevalRow(
            **name,
            prompts=60,
            instructions=90,
            prompt_strict=0.5,
            prompt_loose=0.55,
            instruction_strict=0.7,
            instruction_loose=0.8,
        ),
        "json_levels": JsonLevelsRow(**name, levels=levels),
        "role": RoleRow(**name, conversations=8, turns=turns, drift=0.25),
        "stability": StabilityRow(
            **name, cases=40, repeats=3, changed_share=0.25, agreement=0.9, unstable=changed
        ),
    }


def drawn(kind: type[Section[Any]], suite: str = "s") -> str:
    """The section's HTML for its row."""
    return str(kind.markup([figures(suite)[kind.name]], info()))


TABLES = (
    IfevalSection,
    JsonLevelsSection,
    RoleSection,
    SecondOpinionSection,
    StabilitySection,
)


def test_every_section_has_its_own_name_and_counts_nothing_without_results() -> None:
    assert len({kind.name for kind in SECTIONS}) == len({kind.title for kind in SECTIONS})
    assert [list(kind().rows()) for kind in SECTIONS] == [[]] * len(SECTIONS)
    assert set(TABLES) <= set(SECTIONS)


def test_a_page_has_the_sections_that_have_rows() -> None:
    card = build_scorecard(info(), report(), extras={"ifeval": (figures("invoices")["ifeval"],)})
    file = StringIO()
    ScorecardPage(card).write(file, ())

    assert "Instructions followed</h2>" in file.getvalue()
    assert "JSON levels</h2>" not in file.getvalue()


def test_ifeval_has_four_figures() -> None:
    text = drawn(IfevalSection)

    assert '<td><strong>50.0 %</strong> <span class="quiet">of 60</span></td>' in text
    assert '<td><strong>80.0 %</strong> <span class="quiet">of 90</span></td>' in text


def test_a_level_without_checks_is_a_dash() -> None:
    text = drawn(JsonLevelsSection)

    assert "<strong>75.0 %</strong>" in text
    assert text.count("<td>–</td>") == 3


def test_a_role_has_a_column_for_each_turn_and_its_drift() -> None:
    text = drawn(RoleSection)

    assert "Turn 1</th>" in text
    assert "Turn 3</th>" in text
    assert "Turn 2</th>" not in text
    assert "<td>+25.0</td>" in text


def test_stability_names_cases_with_the_repeats_that_did_not_pass() -> None:
    text = drawn(StabilitySection)

    assert "s-0 (1, 2), s-1 (1, 2)" in text
    assert "s-7 (1, 2) and 2 more" in text


@pytest.mark.parametrize("kind", TABLES)
def test_names_are_escaped(kind: type[Section[Any]]) -> None:
    text = drawn(kind, INJECTION)

    assert "<img" not in text
    assert "&lt;img" in text


def test_a_second_opinion_has_its_agreement_and_the_answers_to_look_at() -> None:
    text = drawn(SecondOpinionSection)

    assert '<td><strong>50.0 %</strong> <span class="quiet">of 20</span></td>' in text
    assert "<td>−0.12</td>" in text
    assert "s-1 (rule holds, judge does not), s-2, turn 2, repeat 1 (judge holds" in text
    assert "(judge holds, rule does not) and 2 more" in text


def test_an_undefined_kappa_is_a_dash() -> None:
    row = figures()["second_opinion"].model_copy(update={"kappa": None})
    assert isinstance(row, SecondOpinionRow)

    assert "<td>–</td>" in SecondOpinionSection.markup([row], info())
