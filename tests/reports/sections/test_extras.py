"""The sections that show extra figures of the scorecard."""

from __future__ import annotations

import pytest

from harness.reports import Scorecard
from harness.reports.sections import Section, all_sections
from harness.reports.sections.collect import Extras
from harness.reports.sections.ifeval import IfevalRow, IfevalSection
from harness.reports.sections.json_levels import JsonLevel, JsonLevelsRow, JsonLevelsSection
from harness.reports.sections.role import RoleRow, RoleSection, RoleTurn
from harness.reports.sections.second_opinion import (
    Disagreement,
    SecondOpinionRow,
    SecondOpinionSection,
)
from harness.reports.sections.stability import StabilityRow, StabilitySection, Unstable
from tests.reports.samples import INJECTION, small


def card(suite: str = "s") -> Scorecard:
    """A scorecard with one row of each kind."""
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
    opinion = SecondOpinionRow(**name, n=20, agreement=0.5, kappa=-0.125, disagreements=apart)
    extras = Extras(
        second_opinion=(opinion,),
        ifeval=(
            IfevalRow(
                **name,
                prompts=60,
                instructions=90,
                prompt_strict=0.5,
                prompt_loose=0.55,
                instruction_strict=0.7,
                instruction_loose=0.8,
            ),
        ),
        json_levels=(JsonLevelsRow(**name, levels=levels),),
        role=(RoleRow(**name, conversations=8, turns=turns, drift=0.25),),
        stability=(
            StabilityRow(
                **name, cases=40, repeats=3, changed_share=0.25, agreement=0.9, unstable=changed
            ),
        ),
    )
    return small().model_copy(update={"extras": extras})


SECTIONS = (
    IfevalSection,
    JsonLevelsSection,
    RoleSection,
    SecondOpinionSection,
    StabilitySection,
)


@pytest.mark.parametrize("kind", SECTIONS)
def test_a_run_without_such_rows_has_no_such_section(kind: type[Section]) -> None:
    assert not kind(small()).filled  # type: ignore[call-arg]  # the protocol has no constructor
    assert kind(card()).filled  # type: ignore[call-arg]
    assert kind in {type(section) for section in all_sections(card())}


def test_ifeval_has_four_figures() -> None:
    text = IfevalSection(card()).markup()

    assert '<td><strong>50.0 %</strong> <span class="quiet">of 60</span></td>' in text
    assert '<td><strong>80.0 %</strong> <span class="quiet">of 90</span></td>' in text


def test_a_level_without_checks_is_a_dash() -> None:
    text = JsonLevelsSection(card()).markup()

    assert "<strong>75.0 %</strong>" in text
    assert text.count("<td>–</td>") == 3


def test_a_role_has_a_column_for_each_turn_and_its_drift() -> None:
    text = RoleSection(card()).markup()

    assert "Turn 1</th>" in text
    assert "Turn 3</th>" in text
    assert "Turn 2</th>" not in text
    assert "<td>+25.0</td>" in text


def test_stability_names_cases_with_the_repeats_that_did_not_pass() -> None:
    text = StabilitySection(card()).markup()

    assert "s-0 (1, 2), s-1 (1, 2)" in text
    assert "s-7 (1, 2) and 2 more" in text


@pytest.mark.parametrize("kind", SECTIONS)
def test_names_are_escaped(kind: type[Section]) -> None:
    text = kind(card(INJECTION)).markup()  # type: ignore[call-arg]

    assert "<img" not in text
    assert "&lt;img" in text


def test_a_second_opinion_has_its_agreement_and_the_answers_to_look_at() -> None:
    text = SecondOpinionSection(card()).markup()

    assert '<td><strong>50.0 %</strong> <span class="quiet">of 20</span></td>' in text
    assert "<td>−0.12</td>" in text
    assert "s-1 (rule holds, judge does not), s-2, turn 2, repeat 1 (judge holds" in text
    assert "(judge holds, rule does not) and 2 more" in text


def test_an_undefined_kappa_is_a_dash() -> None:
    row = card().extras.second_opinion[0].model_copy(update={"kappa": None})
    extras = Extras(second_opinion=(row,))

    assert (
        "<td>–</td>" in SecondOpinionSection(small().model_copy(update={"extras": extras})).markup()
    )
