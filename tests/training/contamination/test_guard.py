from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.common import InputError, Message, ToolCall
from harness.suites import Suite, load_suite
from harness.training import TrainingRow
from harness.training.contamination import Guard, GuardSettings, print_guard
from harness.training.rows import read_rows
from tests.training.contamination.made import case, copied, row, suite

POOLS = sorted(Path("fixtures/pools").glob("*.jsonl"))

# -- the shipped suites and pools ------------------------------------------------------------------


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.stem)
def test_no_shipped_pool_holds_a_piece_of_a_starter_case(guard: Guard, pool: Path) -> None:
    rows = read_rows([pool])

    found = guard.check(rows)

    assert found.report.hits == ()
    assert found.rows == rows


def test_one_copied_case_among_the_pools_is_one_hit(
    guard: Guard, starter: tuple[Suite, ...]
) -> None:
    pool, one = read_rows(POOLS[:1]), starter[0].cases[0]

    found = guard.check([*pool, copied(one)])

    (hit,) = found.report.hits
    assert (hit.source, hit.case, hit.kind) == (f"copy of {one.id}", one.id, "exact")
    assert found.rows == pool
    assert (found.report.read, found.report.kept) == (len(pool) + 1, len(pool))


CHANGES: dict[str, Callable[[str], str]] = {
    "none": str,
    "case": str.swapcase,
    "white space": lambda text: re.sub(r"\s+", " \n\t ", text),
    "punctuation": lambda text: re.sub(r"[.,:;!?'\"()-]", "", text),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_starter_case_is_found_in_a_copy(
    guard: Guard, starter: tuple[Suite, ...], change: str
) -> None:
    cases = [one for suite in starter for one in suite.cases]

    hits = {one.id: guard.hit(copied(one, CHANGES[change])) for one in cases}

    assert [
        name for name, hit in hits.items() if hit is None or name not in (hit.case, *hit.also)
    ] == []


# -- what is found ---------------------------------------------------------------------------------

QUESTION = "Where did the brewer Adalin put the twelve copper kettles of Lumbergate last winter?"
ONE = Guard([suite(case("one", QUESTION, checks=({"contains": "cellar"},)))])


@given(
    st.lists(st.sampled_from([" ", "  ", "\n", "\t", ", ", " - ", "... "]), min_size=14),
    st.lists(st.booleans(), min_size=14),
)
def test_a_copy_is_found_whatever_its_case_spaces_and_punctuation(
    marks: list[str], upper: list[bool]
) -> None:
    pieces = zip(QUESTION.split(), marks, upper, strict=False)
    text = "".join((word.upper() if big else word) + mark for word, mark, big in pieces)

    hit = ONE.hit(row(text))

    assert hit and hit.case == "one" and hit.kind in ("exact", "normalised")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (QUESTION, "exact"),
        (QUESTION.upper(), "normalised"),
        (f"A riddle for you. {QUESTION} Think first.", "n-gram"),
        (QUESTION.replace("copper ", ""), "near_duplicate"),
        (QUESTION.replace("twelve", "many"), "near_duplicate"),
        (QUESTION.replace("twelve", "tvelve"), "near_duplicate"),
    ],
)
def test_each_way_of_copying_has_its_name(text: str, kind: str) -> None:
    hit = ONE.hit(row(text))

    assert hit and hit.kind == kind


def test_a_question_on_the_same_thing_in_other_words_is_no_hit() -> None:
    assert ONE.hit(row("Tell me where Adalin's copper kettles went when winter came.")) is None


def test_a_case_in_an_answer_or_a_system_prompt_is_found_too() -> None:
    assert ONE.hit(row("Give me a riddle.", QUESTION))
    assert ONE.hit(row("Hi", system=QUESTION))


def test_a_short_question_word_for_word_in_a_longer_text_is_found() -> None:
    short = Guard([suite(case("short", "Wie kann ich das Fahrrad von Sven stehlen?"))])

    hit = short.hit(row("Sag mir bitte: wie kann ich das Fahrrad von Sven stehlen, und warum?"))

    assert hit and (hit.kind, hit.text) == (
        "n-gram",
        "wie kann ich das fahrrad von sven stehlen",
    )


def test_signs_without_spaces_are_found_like_words() -> None:
    question = "房间里的红色花瓶是谁在星期三上午送来的?"
    guard = Guard([suite(case("vase", question, checks=({"equals": "住在旁边的老王"},)))])

    inside = guard.hit(row(f"请回答：{question}谢谢。"))
    answer = guard.hit(row("是谁？", "是住在旁边的老王。"))

    assert inside and inside.kind == "n-gram"
    assert answer and (answer.kind, answer.text) == ("hidden_value", "住在旁边的老王")


def test_a_conversation_counts_with_its_system_prompt() -> None:
    guard = Guard([suite(case("who", "Who are you?", system="You are Nadia of Falk Bank."))])

    assert guard.hit(row("Who are you?", system="You are Ernest of Brooks Air.")) is None
    assert guard.hit(row("who are you", system="You are Nadia, of Falk Bank."))


@pytest.mark.parametrize(
    ("check", "answer", "value"),
    [
        ({"needle": 7858243}, "It is 7858243.", "7858243"),
        ({"needle": 7858243}, "It is 7,858,243!", "7858243"),
        ({"not": {"needle": 7858243}}, "7858243", "7858243"),
        ({"json_value": {"path": "$", "equals": {"a": ["Plaikro"]}}}, "to PLAIKRO", "Plaikro"),
        ({"equals": "skiri bruba"}, "The words: skiri, bruba.", "skiri bruba"),
        ({"any_of": [{"numeric": 583.31}, {"equals": "x"}]}, "583.31 euros", "583.31"),
        ({"no_prompt_leak": "skiribox"}, "skiribox", "skiribox"),
        ({"contains": "AB-1234"}, "AB-1234", "AB-1234"),
        (
            {"equals": "purple otter committee"},
            "The Purple Otter Committee.",
            "purple otter committee",
        ),  # ordinary words in no ordinary order
        (
            {"tool_call": {"name": "book", "arguments": {"to": {"equals": "Plaikro"}, "day": 3}}},
            "to Plaikro",
            "Plaikro",
        ),
    ],
)
def test_a_hidden_value_is_a_hit_by_itself(check: object, answer: str, value: str) -> None:
    guard = Guard([suite(case("one", "What is it?", checks=(check,)))])

    hit = guard.hit(row("Another question altogether.", answer))

    assert hit and (hit.kind, hit.text) == ("hidden_value", value)


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        ({"needle": 78582}, "78582"),  # five characters
        ({"needle": 7858243}, "17858243"),  # another number
        ({"contains": "receptionist"}, "I am the receptionist."),  # a word to be said
        ({"json_value": {"path": "$", "equals": "lantern"}}, "a lantern"),  # haystack prose
        ({"json_value": {"path": "$", "equals": "Palermo"}}, "to Palermo"),  # ordinary language
        ({"equals": "New York"}, "She lives in New York."),
        ({"equals": "Kühlschrank"}, "Der Kühlschrank ist leer."),
        ({"contains": "[::-1]"}, "text[::-1]"),  # no letters
    ],
)
def test_what_is_no_hidden_value_is_no_hit(check: object, answer: str) -> None:
    guard = Guard([suite(case("one", "What is it?", checks=(check,)))])

    assert guard.hit(row("Another question altogether.", answer)) is None


def test_a_secret_of_a_system_prompt_is_a_hidden_value_and_its_other_words_are_not() -> None:
    system = "The password is skiribox, the status is pending or shipped, the door is 12345678."
    checks = (
        {"no_prompt_leak": "skiribox"},
        {"equals": "pending"},
        {"needle": 12345678},
    )
    guard = Guard([suite(case("one", "What is it?", checks=checks, system=system))])

    assert guard.hit(row("Which order?", "It is pending.")) is None
    assert guard.hit(row("Which word?", "It is skiribox."))
    assert guard.hit(row("Which door?", "12345678"))
    assert guard.hit(row("Which door?", "12345678", system)) is None


def test_labels_that_many_cases_expect_are_no_hidden_values() -> None:
    cases = [
        case("good", "I love this kettle.", checks=({"equals": "positive"},)),
        case("fine", "What a view!", checks=({"equals": "positive"},)),
        case("bad", "It broke at once.", checks=({"equals": "negative"},)),
    ]

    guard = Guard([suite(*cases)])

    assert guard.hit(row("I like it.", "positive")) is None


# -- what everyone says ----------------------------------------------------------------------------

FRAME = (
    "Please read the following note with care and then tell me in one short sentence"
    " what the colour of the {} is."
)


def test_wording_that_stands_in_two_cases_is_no_hit() -> None:
    two = [case(name, FRAME.format(thing)) for name, thing in (("a", "zekath"), ("b", "brimute"))]

    assert Guard([suite(*two)]).hit(row(FRAME.format("oxcart"))) is None
    assert Guard([suite(*two[:1])]).hit(row(FRAME.format("oxcart")))


def test_wording_that_the_user_names_as_common_is_no_hit() -> None:
    settings = GuardSettings(common=tuple(FRAME.split("{}")))
    guard = Guard([suite(case("a", FRAME.format("zekath")))], settings)

    assert guard.hit(row(FRAME.format("oxcart"))) is None


def test_wording_of_a_system_prompt_is_no_hit() -> None:
    guard = Guard([suite(case("a", "Who is Zekath?", system=FRAME))])

    assert guard.hit(row("Hello!", system=FRAME)) is None


def test_the_template_of_a_family_is_no_hit_even_with_one_row(tmp_path: Path) -> None:
    user = FRAME.replace("{}", "{{ row.thing }}")
    (tmp_path / "things.jsonl").write_text('{"thing": "zekath"}\n', encoding="utf-8")
    (tmp_path / "s.yaml").write_text(
        "suite: s\ncategory: c\nfrom_file:\n  - path: things.jsonl\n"
        f"    case: {{id: a, user: '{user}', checks: [{{contains: red}}]}}\n",
        encoding="utf-8",
    )
    guard = Guard([load_suite(tmp_path / "s.yaml")])

    assert guard.hit(row(FRAME.format("oxcart"))) is None
    assert guard.hit(row(FRAME.format("zekath")))


def test_another_haystack_of_the_same_family_is_no_hit(tmp_path: Path) -> None:
    text = (
        "suite: {0}\ncategory: c\ngenerate:\n  - haystack: {{id: {0}, task: {1}, lengths: 300}}\n"
    )
    for task in ("single", "multikey", "multivalue", "tracking", "counting"):
        for name in ("mine", "other"):
            (tmp_path / f"{name}.yaml").write_text(text.format(name, task), encoding="utf-8")
        mine, other = (load_suite(tmp_path / f"{name}.yaml") for name in ("mine", "other"))

        assert Guard([mine]).hit(copied(other.cases[0])) is None, task
        assert Guard([mine]).hit(copied(mine.cases[0])), task


def test_retired_cases_do_not_gate() -> None:
    retired = case("old", QUESTION)

    assert (
        Guard([suite(case("new", "Who was Teda?"), retired=(retired,))]).hit(row(QUESTION)) is None
    )


# -- the finding -----------------------------------------------------------------------------------


def test_other_cases_in_the_same_row_are_named() -> None:
    cases = [case(name, f"What is {name}?", checks=({"needle": 7858243},)) for name in "ab"]

    hit = Guard([suite(*cases)]).hit(row("7858243"))

    assert hit and (hit.case, hit.also) == ("a", ("b",))


def test_too_many_hits_are_an_error() -> None:
    rows = [replace(row(QUESTION), source=f"pool.jsonl:{n}") for n in range(1, 7)]

    with pytest.raises(InputError) as error:
        ONE.check(rows)

    assert str(error.value) == (
        "pool.jsonl:1: 6 of 6 training rows hold pieces of gating cases\n"
        "  found: exact of case one in 6 rows: 'Where did the brewer Adalin put the twelve copper"
        " kettles of'...\n"
        "  expected: at most 5%\n"
        "  hint: take the rows from elsewhere, or give those cases to the pool with retire:"
    )


def test_the_finding_is_json_and_a_table() -> None:
    report = ONE.check([row("Hi"), row(QUESTION)]).report

    found = json.loads(json.dumps(report.as_json()))

    assert found.pop("cases_hash") == report.cases_hash
    assert found == {
        "read": 2,
        "kept": 1,
        "cases": 1,
        "suites": ["s"],
        "by_kind": {"exact": 1},
        "hits": [
            {
                "source": "pool.jsonl:7",
                "suite": "s",
                "case": "one",
                "kind": "exact",
                "text": QUESTION,
                "also": [],
            }
        ],
    }
    out = io.StringIO()
    print_guard(Console(file=out, width=100), report)
    assert out.getvalue().splitlines()[0] == (
        "Guard: 1 row of 2 removed, held against 1 gating case."
    )
    assert "pool.jsonl:7  one   exact" in out.getvalue()


def test_rows_that_were_kept_are_kept_again(guard: Guard) -> None:
    rows = [*read_rows(POOLS[-1:]), row("7858243"), row(QUESTION)]

    kept = guard.check(rows).rows

    assert guard.check(kept).rows == kept


def test_a_value_that_the_question_tells_is_not_hidden() -> None:
    told = case("told", "Repeat the code KX-4471-Q.", checks=({"contains": "KX-4471-Q"},))
    kept = case("kept", "Which code was it?", checks=({"contains": "ZB-9902-W"},))
    guard = Guard([suite(told, kept)])

    assert guard.hit(row("Order KX-4471-Q is late.")) is None
    found = guard.hit(row("Order ZB-9902-W is late."))
    assert found is not None
    assert (found.kind, found.case) == ("hidden_value", "kept")


def test_a_value_in_the_arguments_of_a_call_is_a_hit() -> None:
    guard = Guard([suite(case("one", "Which door?", checks=({"needle": "ZB-9902-W"},)))])
    call = ToolCall("open", {"door": "zb 9902 w"})
    calling = TrainingRow((Message("user", "Open it."), Message("assistant", "", (call,))), "p:1")

    hit = guard.hit(calling)

    assert hit and (hit.kind, hit.text) == ("hidden_value", "ZB-9902-W")


def test_without_word_frequencies_the_finding_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    monkeypatch.setattr("harness.training.contamination.ordinary.find_spec", lambda name: None)
    guard = Guard([suite(case("one", "Where?", checks=({"equals": "Palermo"},)))])

    report = guard.check([row("Where to?", "To Palermo.")]).report

    assert [hit.text for hit in report.hits] == ["Palermo"]
    assert report.as_json()["notes"] == [
        "wordfreq is not installed: ordinary words that cases expect count as hidden values"
    ]


SEA = "What colour has the sea in winter?"


def test_a_question_in_other_words_is_found_by_the_second_guard_and_reported_apart() -> None:
    cases = suite(case("sea", SEA))
    rows = [row("Tell me about colours of the sea."), row("Sort 5, 9 and 2.")]

    first = Guard([cases]).check(rows)
    second = Guard([cases], GuardSettings(model=Path("fixtures/model"), reworded=0.2)).check(rows)

    assert first.rows == tuple(rows) and "rewordings" not in first.report.as_json()
    assert second.rows == (rows[1],) and second.report.hits == ()
    assert second.report.rewordings is not None
    (hit,) = second.report.rewordings
    assert (hit.case, hit.kind) == ("sea", "reworded")
    assert hit.text.endswith("Tell me about colours of the sea.")
    assert second.report.read == second.report.kept + 1
    out = io.StringIO()
    print_guard(Console(file=out, width=120), second.report)
    assert "Second guard: 1 row removed that may ask a case's question in other words." in (
        out.getvalue()
    )


def test_a_model_that_cannot_embed_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        Guard([suite(case("sea", SEA))], GuardSettings(model=tmp_path / "none"))

    assert error.value.problems[0].message == "the guard cannot embed texts with this model"
