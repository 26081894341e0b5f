from __future__ import annotations

import io
import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness.common import InputError, Message
from harness.training import TrainingRow
from harness.training.cleaning import CleaningReport, CleaningSettings, clean, print_cleaning
from harness.training.cleaning.values import Reason
from harness.training.rows import read_rows

ANY = CleaningSettings(max_dropped=1)


def row(
    user: str, answer: str, source: str = "a.jsonl:1", system: str | None = None
) -> TrainingRow:
    head = () if system is None else (Message("system", system),)
    return TrainingRow((*head, Message("user", user), Message("assistant", answer)), source)


def dropped(one: TrainingRow, settings: CleaningSettings = ANY) -> tuple[str, str]:
    """Reason and detail."""
    (found,) = clean([one], settings).report.dropped
    return found.reason, found.detail


# One row for each fault that a row has by itself.
FAULTS: tuple[tuple[TrainingRow, str, str], ...] = (
    (row("Hi", " \n"), "empty", "turn 2: the answer is ' \\n'"),
    (row("Hi", "..."), "empty", "turn 2: the answer is '...'"),
    (row(" ", "Hello"), "empty", "turn 1: the user says nothing"),
    (row("Hi", "It is a cafÃ©."), "garbled", "text in the wrong encoding: 'Ã©'"),
    (row("Hi", "It\ufffds fine"), "garbled", "a sign that is no text: '\ufffd'"),
    (row("Hi", "Bell\x07"), "garbled", "a sign that is no text: '\\x07'"),
    (row("Hi", "w" + "o" * 60), "garbled", f"one sign many times: '{'o' * 20}'..."),
    (
        row("Hi", "go on and on " * 8),
        "garbled",
        "86% of the 4-grams repeat earlier ones, allowed 50%; 'go on and on' 8 times",
    ),
    (row("Hi", "I am {{NAME}}."), "placeholder", "'{{NAME}}' in what the assistant says"),
    (row("Write to {{ name }}", "Yes"), "placeholder", "'{{ name }}' in what the user says"),
    (row("Hi", "Yours, [Your Name]"), "placeholder", "'[Your Name]' in what the assistant says"),
    (
        row("Answer in JSON: a is 1.", "{'a': 1}"),
        "broken_json",
        "JSON is asked for, and the answer is none: no JSON at line 1 column 2 (\"'a': 1}\")",
    ),
    (
        row("a is 1.", "a is 1", system="You answer with JSON only."),
        "broken_json",
        "JSON is asked for, and the answer is none: no JSON at line 1 column 1 ('a is 1')",
    ),
    (
        row("Where is it?", "It is on the second shelf, 第二层, I think."),
        "language",
        "words of another script in the answer: han",
    ),
)


@pytest.mark.parametrize(("one", "reason", "detail"), FAULTS)
def test_a_faulty_row_is_dropped_with_its_reason(
    one: TrainingRow, reason: str, detail: str
) -> None:
    assert dropped(one) == (reason, detail)


@pytest.mark.parametrize(
    "one",
    [
        row("Add", "3"),
        row("Draw a line", "-" * 80),
        row("Which sign?", "<"),
        row("What is JSON?", "A format for data."),
        row("As JSON: a is 1.", '```json\n{"a": 1}\n```'),
        row("How do you say shelf in Chinese?", "It is called 架子 in that language."),
        row("Carla kauft Brot. Antworte auf Chinesisch.", "Carla在市场上买面包。"),
        row("Explain {x} and {}", "In Python, {} is a dict."),
        row("Hi", "naïve café — “quoted” €5 👍"),
    ],
)
def test_right_rows_stay(one: TrainingRow) -> None:
    assert clean([one], ANY).rows == (one,)


@pytest.mark.parametrize(("one", "reason", "detail"), FAULTS)
def test_a_reason_can_be_switched_off(one: TrainingRow, reason: Reason, detail: str) -> None:
    settings = CleaningSettings(off=frozenset({reason}))

    assert clean([one], settings).rows == (one,)


def test_rows_are_measured_with_the_count_that_is_given() -> None:
    long, short = row("Hi", "one two three", "a:1"), row("Hi", "one", "a:2")

    cleaned = clean(
        [long, short],
        CleaningSettings(max_tokens=3),
        lambda row: sum(len(m.content.split()) for m in row.messages),
    )

    assert cleaned.rows == (short,)
    (found,) = cleaned.report.dropped
    assert (found.reason, found.detail) == ("too_long", "4 tokens, and the model takes 3")


def test_only_the_languages_that_are_wanted_stay() -> None:
    english = row("Where?", "The meeting is in the large room on the second floor.")
    russian = row("Где?", "Встреча пройдёт в большом зале на втором этаже.")
    french = row("Où ?", "La réunion aura lieu dans la grande salle du deuxième étage.")
    mixed = row(
        "Where?", f"The meeting is in the large room. {LONG} Die Tür ist leider noch geschlossen."
    )
    settings = CleaningSettings(languages=("en", "de"), max_dropped=1)

    assert clean([english], settings).rows == (english,)
    assert dropped(russian, settings) == ("language", "the answer is in cyrillic letters")
    assert dropped(french, settings) == ("language", "the answer is in fr")
    assert dropped(mixed, settings) == (
        "language",
        "foreign to en: 'Die Tür ist leider noch geschlossen.'",
    )


def test_an_unknown_language_is_an_error() -> None:
    with pytest.raises(InputError) as error:
        CleaningSettings(languages=("german",))

    assert str(error.value) == (
        "language is not known\n  found: german\n  expected: codes of ISO 639-1, such as en, de, zh"
    )


def test_the_first_of_the_same_rows_stays() -> None:
    rows = [row("Hi", "Hello", f"a:{n}") for n in (1, 2)]

    report = clean(rows, ANY).report

    assert [(d.source, d.reason, d.detail) for d in report.dropped] == [
        ("a:2", "duplicate", "as a:1")
    ]


def test_a_row_that_is_given_twice_is_a_duplicate() -> None:
    one = row("Hi", "Hello", "a:1")

    assert [d.reason for d in clean([one, one], ANY).report.dropped] == ["duplicate"]


LONG = "The baker from the market carried the letter because nobody else wanted to read it aloud."


def test_near_copies_are_dropped_and_rows_with_other_numbers_stay() -> None:
    first = row(f"{LONG} There are 12.", LONG, "a:1")
    near = row(f"{LONG} There are 12!", LONG, "a:2")
    other = row(f"{LONG} There are 13.", LONG, "a:3")

    cleaned = clean([first, near, other], ANY)

    assert cleaned.rows == (first, other)
    assert cleaned.report.dropped[0].reason == "near_duplicate"
    assert cleaned.report.dropped[0].detail.startswith("as a:1 (similarity 0.9")


SECRET = "AKIA" + "IOSFODNN7EXAMPLE"
KEPT = row("Mail ann@example.org", f"Use {SECRET} and bob@example.org.")


def test_private_data_are_counted_and_left_where_nothing_else_is_asked_for() -> None:
    cleaned = clean([KEPT])

    assert cleaned.rows == (KEPT,)
    found = [(n.what, n.count, n.redacted) for n in cleaned.report.noticed]
    assert found == [("secret", 1, False), ("e-mail address", 2, False)]


def test_private_data_are_replaced_where_that_is_asked_for() -> None:
    (one,) = clean([KEPT], CleaningSettings(redact=True)).rows

    assert [message.content for message in one.messages] == [
        "Mail [e-mail address]",
        "Use [secret] and [e-mail address].",
    ]


def test_too_much_to_drop_is_an_error() -> None:
    rows = [row(f"Number {n}?", "", f"a:{n}") for n in range(6)]

    with pytest.raises(InputError) as error:
        clean(rows)

    assert str(error.value) == (
        "a:0: 6 of 6 training rows would be dropped\n"
        "  found: empty 6; the first: turn 2: the answer is ''\n"
        "  expected: at most 30%\n"
        "  hint: look at the data first; a reason can be switched off, the share be raised"
    )


def test_a_few_rows_may_always_be_dropped() -> None:
    rows = [row(f"Number {n}?", "", f"a:{n}") for n in range(5)]

    assert clean(rows).rows == ()


def test_the_report_is_json_and_a_table() -> None:
    rows = [row("Hi", "", "a:1"), row("Hi", "Hello", "a:2"), KEPT]
    report = clean(rows, ANY).report

    assert json.loads(json.dumps(report.as_json())) == {
        "read": 3,
        "kept": 2,
        "by_reason": {"empty": 1},
        "dropped": [{"source": "a:1", "reason": "empty", "detail": "turn 2: the answer is ''"}],
        "noticed": [
            {"source": "a.jsonl:1", "what": "secret", "count": 1, "redacted": False},
            {"source": "a.jsonl:1", "what": "e-mail address", "count": 2, "redacted": False},
        ],
        "scripts": {"latin": 2},
    }
    assert printed(report) == (
        "Cleaning: 2 of 3 rows kept.\n"
        "dropped  rows  for example                  \n"
        "empty    1     a:1: turn 2: the answer is ''\n"
        "1 secret in 1 row: left as they are; redact replaces them.\n"
        "2 e-mail addresses in 1 row: left as they are; redact replaces them.\n"
    )


def printed(report: CleaningReport) -> str:
    out = io.StringIO()
    print_cleaning(Console(file=out, width=80), report)
    return out.getvalue()


PIECES = st.sampled_from(
    [
        LONG,
        "Hi",
        "",
        "{{NAME}}",
        "cafÃ©",
        "in JSON",
        '{"a": 1}',
        "12",
        "13",
        "ann@example.org",
        "第二",
    ]
)
TEXTS = st.lists(PIECES, max_size=4).map(" ".join)
ROWS = st.lists(st.builds(row, TEXTS, TEXTS, st.sampled_from(["a:1", "b:2"])), max_size=12)


@given(ROWS, st.booleans())
def test_nothing_is_lost_and_cleaning_again_changes_nothing(
    rows: list[TrainingRow], redact: bool
) -> None:
    settings = CleaningSettings(max_dropped=1, redact=redact)

    cleaned = clean(rows, settings)
    again = clean(cleaned.rows, settings)

    assert len(cleaned.rows) + len(cleaned.report.dropped) == len(rows) == cleaned.report.read
    assert cleaned.report.kept == len(cleaned.rows)
    assert again.rows == cleaned.rows
    assert not again.report.dropped
    assert {d.reason for d in cleaned.report.dropped} <= set(get_args(Reason))


def test_the_shipped_pools_are_clean() -> None:
    rows = read_rows(sorted(Path("fixtures/pools").glob("*.jsonl")))

    assert clean(rows).rows == rows
