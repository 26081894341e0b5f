"""The contract of scorecard.json."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from harness.common import VariantRole
from harness.reports import Scorecard, ScorecardDocument, build_scorecard, publish, scorecard_schema
from harness.results import GateReport, Rate, SuiteResult, Verdict
from tests.reports.samples import against_base, info, rate, report, row, small, suite, variant
from tests.reports.story import story

HERE = Path(__file__).parent
PUBLISHED = HERE.parents[1] / "docs" / "scorecard.schema.json"
REFRESH = "write json.dumps(scorecard_schema(), indent=2) to docs/scorecard.schema.json"


def test_the_small_run_gives_the_golden_scorecard() -> None:
    assert publish(small()).to_json() == (HERE / "golden" / "scorecard.json").read_text("utf-8")


def test_the_published_schema_is_that_of_the_code() -> None:
    assert json.loads(PUBLISHED.read_text("utf-8")) == scorecard_schema(), REFRESH


@pytest.mark.parametrize("card", [small(), story()[0]], ids=["small", "story"])
def test_a_scorecard_fits_its_schema(card: Scorecard) -> None:
    Draft202012Validator.check_schema(scorecard_schema())
    Draft202012Validator(scorecard_schema()).validate(json.loads(publish(card).to_json()))


def test_a_scorecard_is_read_back_as_it_was() -> None:
    assert ScorecardDocument.model_validate_json(publish(small()).to_json()) == publish(small())


FIRST = ["ifeval", "json_levels", "role", "stability", "second_opinion"]


def test_figures_of_later_sections_are_there_where_a_run_has_them() -> None:
    plain = json.loads(publish(small()).to_json())["extras"]
    full = json.loads(publish(story()[0]).to_json())["extras"]

    assert list(plain) == FIRST
    assert list(full) == [*FIRST, "languages", "refusals", "long_context"]
    assert {row["suite"] for row in full["long_context"]} == {"needles"}


def test_later_figures_are_read_back() -> None:
    document = publish(story()[0])

    assert ScorecardDocument.model_validate_json(document.to_json()) == document


def test_the_page_holds_the_scorecard_as_it_is_in_the_file() -> None:
    document = publish(story()[0])

    assert document.to_value() == json.loads(document.to_json())


def test_a_row_has_exactly_the_contracts_names() -> None:
    found = json.loads(publish(small()).to_json())["categories"][1]
    contract = "suite category variant role n passed failed errors skipped pass_rate ci gate"
    gate = "verdict reasons delta delta_ci p p_adjusted mde"
    assert set(contract.split()) <= set(found)
    assert set(gate.split()) <= set(found["gate"])


def test_a_baseline_has_no_gate() -> None:
    rows = [row for row in publish(small()).categories if row.variant == "base"]
    assert [row.gate for row in rows] == [None, None]


def test_a_suite_without_items_has_no_rate() -> None:
    nothing = Rate(0, 0, 0, 0, 3, math.nan, math.nan, math.nan)
    card = publish(_card(row("invoices", "base", nothing)))
    assert (card.categories[0].pass_rate, card.categories[0].ci) == (None, None)


def test_numbers_that_json_cannot_hold_are_null() -> None:
    comparison = against_base(40, math.nan, -math.inf, 0.1, math.nan, 1.0, (), ())
    verdict = row("invoices", "repaired", rate(9, 10, 0.6, 1.0), Verdict.PASS, (), comparison)
    gate = publish(_card(verdict)).categories[0].gate
    assert gate is not None
    assert (gate.delta, gate.delta_ci, gate.p, gate.p_adjusted) == (None, None, None, 1.0)


SENTENCES = [
    ((Verdict.PASS, Verdict.PASS), "repaired may replace base: every suite passes."),
    (
        (Verdict.REGRESSED, Verdict.PASS),
        "repaired must not replace base: it got worse in invoices.",
    ),
    (
        (Verdict.BELOW_THRESHOLD, Verdict.REGRESSED),
        "repaired must not replace base: it got worse in languages; "
        "it is below the bar in invoices.",
    ),
    (
        (Verdict.PASS, Verdict.INCONCLUSIVE),
        "No decision on repaired: too few cases to tell in languages.",
    ),
    ((Verdict.ERROR, Verdict.PASS), "No decision on repaired: the run broke in invoices."),
    (
        (Verdict.ERROR, Verdict.REGRESSED),
        "repaired must not replace base: the run broke in invoices; it got worse in languages.",
    ),
    ((None, None), "repaired is not judged: nothing was gated."),
]


@pytest.mark.parametrize(("verdicts", "sentence"), SENTENCES)
def test_a_candidate_is_summed_up_in_one_sentence(
    verdicts: tuple[Verdict | None, Verdict | None], sentence: str
) -> None:
    names = ("invoices", "languages")
    rows = [_decided(name, verdict) for name, verdict in zip(names, verdicts, strict=True)]
    card = next(v for v in _card(*rows).variants if v.name == "repaired")
    assert card.summary == sentence


def test_part_of_a_suite_is_never_a_pass() -> None:
    part = replace(_decided("languages", None), partial="7 of 60 cases")
    card = next(
        v for v in _card(_decided("invoices", Verdict.PASS), part).variants if v.info.adapter
    )
    assert card.verdict is None
    assert card.summary == "repaired is not judged: only part was run of languages (7 of 60 cases)."


def test_what_was_not_compared_with_the_baseline_is_no_leave_to_replace_it() -> None:
    alone = replace(_decided("languages", Verdict.PASS), uncompared=True)
    card = next(
        v for v in _card(_decided("invoices", Verdict.PASS), alone).variants if v.info.adapter
    )
    assert card.verdict is Verdict.INCONCLUSIVE
    assert card.summary == (
        "No decision on repaired: languages could not be compared, base has no result there."
    )


def test_a_lone_variant_is_deployed_not_compared() -> None:
    alone = replace(_decided("invoices", Verdict.PASS), variant="base")
    made = info(baseline=None, variants=(replace(variant("base"), role=VariantRole.CANDIDATE),))
    card = build_scorecard(made, GateReport((alone,), Verdict.PASS))
    assert card.variants[0].summary == "base may be deployed: every suite passes."


def test_the_worst_candidate_comes_first() -> None:
    assert [card.name for card in small().candidates()] == ["forgetful", "repaired"]


def test_a_signature_changes_with_all_that_numbers_depend_on() -> None:
    base = build_scorecard(info(), report())
    other = build_scorecard(info(scorers={"contains": 2}), report())
    weights = replace(variant("base"), weights="another")
    model = build_scorecard(info(variants=(weights,)), report())
    assert len({card.variants[0].signature for card in (base, other, model)}) == 3
    assert base.signature != other.signature
    assert build_scorecard(info(seconds=9.0), report()).signature == base.signature


def _decided(name: str, verdict: Verdict | None) -> SuiteResult:
    return row(name, "repaired", rate(38, 40, 0.83, 0.99), verdict, ("a reason.",))


def _card(*rows: SuiteResult) -> Scorecard:
    made = info(
        suites=(suite("invoices", 40), suite("languages", 40)),
        variants=(variant("base"), variant("repaired")),
    )
    return build_scorecard(made, GateReport(rows, None))
