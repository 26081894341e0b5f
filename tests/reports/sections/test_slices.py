"""Slices in every form of a report."""

from __future__ import annotations

from harness.common import GateSettings
from harness.gate import decide
from harness.reports import build_scorecard
from harness.reports.document import publish
from harness.reports.markdown import to_markdown
from harness.reports.scorecard import Scorecard
from harness.reports.sections.slices import SliceSection
from harness.results import SuiteInfo
from tests.gate.test_slices import cases, tagged
from tests.reports.samples import info, variant
from tests.reports.test_terminal import shown

OUTCOMES = {
    "fr": cases(8, 0, 2),
    "de|x": cases(1, 1, 38),
    **{f"rare{n}": cases(0, 0, 2) for n in range(9)},
}


def card(**gate: object) -> Scorecard:
    count = sum(len(text.split()) for text in OUTCOMES.values())
    demand = SuiteInfo("s", "format", "", "", GateSettings.model_validate(gate), count, count)
    run = info(suites=(demand,), variants=(variant("base"), variant("new")))
    roles = {each.name: each.role for each in run.variants}
    return build_scorecard(run, decide(tagged(OUTCOMES), [demand], roles, "base"))


def test_json_has_a_row_for_each_tag() -> None:
    (row,) = (each for each in publish(card()).categories if each.variant == "new")

    fr = row.slices[0]
    assert (fr.tag, fr.declared, fr.n, fr.passed) == ("fr", False, 10, 2)
    assert (fr.pairs, fr.before, fr.after, fr.delta) == (10, 1.0, 0.2, -0.8)
    assert (fr.losses, fr.gains, fr.p, fr.p_adjusted, fr.verdict) == (8, 0, None, None, None)
    assert fr.gathers is not None and fr.gathers < 1e-4
    assert row.tags == len(row.slices) == 11
    assert row.gate is not None
    assert (row.gate.before, row.gate.after) == (67 / 68, 59 / 68)


def test_json_has_the_test_and_the_verdict_of_a_declared_slice() -> None:
    (row,) = (e for e in publish(card(slices=["fr"])).categories if e.variant == "new")

    fr = row.slices[0]
    assert (fr.declared, fr.verdict, fr.family) == (True, "regressed", 2)
    assert fr.p is not None and fr.p_adjusted is not None
    assert fr.p < fr.p_adjusted < 0.05


def test_the_page_marks_where_losses_gather_and_folds_what_lost_nothing() -> None:
    rows = [row for row in card().gate.suites if row.slices]
    text = str(SliceSection.markup(rows, card().run))

    first, _, rest = text.partition("<details")
    assert '<a href="#slice/s/fr/new">10 of 10 → 2 of 10</a>' in first
    assert '<a href="#slice/s/de%7Cx/new">39 of 40 → 39 of 40</a>' in first
    assert first.count("losses gather here, exploratory") == 1
    assert "no drop: 2 pairs" in first
    assert "3 more tags" in rest
    assert "✗ regressed" not in text


def test_the_page_has_the_verdict_of_a_declared_slice() -> None:
    rows = [row for row in card(slices=["fr"]).gate.suites if row.slices]
    text = str(SliceSection.markup(rows, card().run))

    assert '<span class="regressed"><span class="word">✗ regressed</span></span>' in text
    assert "losses gather here</strong>" in text


def test_a_tag_of_every_case_is_no_slice_of_the_page() -> None:
    demand = SuiteInfo("s", "format", "", "", GateSettings(), 4, 4)
    run = info(suites=(demand,), variants=(variant("base"), variant("new")))
    roles = {each.name: each.role for each in run.variants}
    report = decide(
        tagged({"all+a": cases(1, 0, 1), "all+b": cases(0, 0, 2)}), [demand], roles, "base"
    )
    text = str(SliceSection.markup([r for r in report.suites if r.slices], run))

    assert "#slice/s/a/new" in text and "#slice/s/all/new" not in text


def test_a_pull_request_has_the_slices_folded() -> None:
    text = to_markdown(card(slices=["fr"]))

    assert "<details><summary>Slices" in text
    assert "| s | new | fr | 10 of 10 → 2 of 10 | −80.0 |" in text
    assert "✗ regressed, losses gather here |" in text
    assert "| s | new | de\\|x | 39 of 40 → 39 of 40 | 0.0 |" in text


def test_a_terminal_names_the_tags_that_changed() -> None:
    free, declared = shown(card()), shown(card(slices=["fr"]))

    assert "by tag, exploratory: fr 10 of 10 → 2 of 10, de|x 39 of 40 → 39 of 40" in free
    assert "fr 10 of 10 → 2 of 10 ✗ regressed" in declared
    assert "8 of the 9 losses are in slice fr" in " ".join(free.split())
