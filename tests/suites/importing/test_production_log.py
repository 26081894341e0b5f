"""Good and bad answers from production become draft cases, with what a person must decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.common import plural
from harness.suites.importing import Imported, import_log
from harness.training.rows import read_preferences
from tests.suites.importing.projects import checks_of, lines, put, told, written

MAP = {"user": "q", "answer": "a", "verdict": "v"}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def imported(*rows: Any, columns: Any = None, **more: Any) -> Imported:
    put({"log.jsonl": "".join(json.dumps(row) + "\n" for row in rows)})
    return import_log(Path("log.jsonl"), MAP if columns is None else columns, **more)


def row(question: str, answer: Any, verdict: Any = "good", **more: Any) -> dict[str, Any]:
    return {"q": question, "a": answer, "v": verdict, **more}


ANYWHERE = {"ignore_case": True, "whole_word": True}
# Good answers, bad ones, and the check that is proposed.
PROPOSED: tuple[tuple[list[str], list[str], dict[str, Any]], ...] = (
    (["42"], ["41"], {"numeric": {"equals": 42}}),
    (["yes"], ["no"], {"one_of": {"texts": ["yes", "yes."], "ignore_case": True}}),
    (['{"a": 1}'], ["a is 1"], {"json_value": {"path": "$", "equals": {"a": 1}}}),
    (['{"a": 1}', '{"a": 2}'], ["a is 1"], {"json": {}}),
    (
        ["The warranty is 24 months.", "It is 24 months for all."],
        ["The warranty is 12 months."],
        {"contains": {"text": "24", "ignore_case": True, "whole_word": True}},
    ),
    (
        ["We deliver on Monday for sure.", "You get it on Monday, in the morning."],
        ["We deliver on Friday for sure."],
        {"contains": {"text": "monday", "ignore_case": True, "whole_word": True}},
    ),
    (
        ["Send it back to us, we pay.", "Return all of that, free for you."],
        ["Sadly that is impossible for us, sorry.", "Impossible, sadly."],
        {"not": {"check": {"contains": {**ANYWHERE, "text": "impossible"}}}},
    ),
)  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "check"), PROPOSED)
def test_a_check_is_proposed_that_tells_good_answers_from_bad_ones(
    good: list[str], bad: list[str], check: dict[str, Any]
) -> None:
    rows = [row("?", text) for text in good] + [row("?", text, "bad") for text in bad]
    made = imported(*rows)
    assert checks_of(written(made)) == {"row-1": [check]}
    accepted = f"{len(good)} of {plural(len(good), 'good answer')}"
    rejected = f"{len(bad)} of {plural(len(bad), 'bad answer')}"
    assert made.confirmed == f"The checks proposed accept {accepted}, and reject {rejected}."
    assert len(made.decide) == 1  # that all checks are proposals


def test_what_a_person_must_decide_is_listed_by_line() -> None:
    made = imported(
        row("one", "a good answer that is long enough"),
        row("two", "a bad answer", "bad"),
        row("three", "the same thing said here"),
        row("three", "the same thing, said here", 0),
        row("four", "well"),
        row("four", "well", "down"),
        row("five", "write to anna@example.com", True),
        row("six", "call +49 30 1234 5678", "👎"),
    )
    written(made)
    said = lines(made, "A person must decide")
    assert said[0].endswith("every check is a proposal: read it, and change what it does not say")
    assert "log.jsonl:1, 7: no bad answer: nobody knows what the check must reject" in said
    assert (
        "log.jsonl:2, 8: no good answer: the check only refuses what is nearly the bad one" in said
    )
    assert any(line.startswith("log.jsonl:3: no check that was tried tells") for line in said)
    assert "log.jsonl:5: one answer is called good and bad; found 'well'" in said
    assert "log.jsonl:7: the row seems to hold a mail address: nothing is taken out" in said
    assert "log.jsonl:8: the row seems to hold a telephone number: nothing is taken out" in said
    assert lines(made) == ["log.jsonl:5: no answer is left to this prompt"]


def test_corrections_systems_messages_and_tags_are_read() -> None:
    talk = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "{{ 6 }} * 7?"},
        {"role": "assistant", "content": "41"},
    ]
    made = imported(
        {"messages": talk, "correction": "42", "team": "sums", "key": "a b"},
        columns={"better": "correction", "tag": "team", "id": "key"},
    )
    (case,) = written(made).cases
    assert (case.id, case.system, case.tags) == ("a-b", "Be kind.", ("sums",))
    (turn,) = case.turns
    assert [each.content for each in turn.before] == ["Hi", "Hello"]
    assert turn.user == "{{ 6 }} * 7?"
    assert turn.checks[0].as_json() == {"numeric": {"equals": 42}}


def test_half_of_the_prompts_become_pairs_that_training_reads() -> None:
    rows = [row(f"How much is {n}?", f"{n}") for n in range(4)]
    rows += [row(f"How much is {n}?", f"{n + 1}", "bad") for n in range(4)]
    made = imported(*rows, pairs=True)
    suite = written(made)
    assert [case.turns[0].user for case in suite.cases] == ["How much is 0?", "How much is 2?"]
    assert len(made.pairs) == 2
    found = read_preferences([Path("out-pairs.jsonl")]).pairs
    assert [(pair.chosen, pair.rejected) for pair in found] == [
        ("1", "2"),
        ("3", "4"),
    ]


BROKEN: tuple[tuple[Any, Any, str], ...] = (
    ({"x": 1}, {}, "no column is what the user says\n  found: x"),
    ({"q": "?", "v": 1}, {"user": "q"}, "no column is the answer"),
    ({"q": "?", "a": "!"}, {"user": "q", "answer": "a"}, "no column says which answers were good"),
    ({"prompt": "?"}, {"answer": "anser"}, "no row has 'anser'"),
    (row("?", "!", "meh"), MAP, "log.jsonl:1: the verdict is not known\n  found: 'meh'"),
    (row("", "!"), MAP, "log.jsonl:1: the row has no text of a user"),
    (row("?", "!", None), MAP, "log.jsonl:1: nobody said whether the answer was good"),
)


@pytest.mark.parametrize(("value", "columns", "message"), BROKEN, ids=[r[2][:30] for r in BROKEN])
def test_a_log_that_cannot_be_read_is_told(value: Any, columns: Any, message: str) -> None:
    assert message in told(lambda: imported(value, columns=columns))
