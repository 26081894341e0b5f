"""Evals of OpenAI's registry become suites."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.scorers import Answer, Context
from harness.suites.importing import Imported, import_openai_evals
from tests.suites.importing.projects import checks_of, lines, put, told, written

REGISTRY = Path("registry/evals/capitals.yaml")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def spec(kind: str = "match:Match", **arguments: Any) -> dict[str, Any]:
    given = {"samples_jsonl": "capitals/samples.jsonl", **arguments}
    return {
        "capitals": {"id": "capitals.dev.v0", "metrics": ["accuracy"], "description": "Capitals."},
        "capitals.dev.v0": {"class": f"evals.elsuite.basic.{kind}", "args": given},
    }


def imported(*samples: Any, registry: Any = None, **more: Any) -> Imported:
    rows = "".join(json.dumps(sample) + "\n" for sample in samples)
    put({str(REGISTRY): registry or spec(), "registry/data/capitals/samples.jsonl": rows})
    return import_openai_evals(REGISTRY, **more)


def asked(*messages: tuple[str, str], ideal: Any = "Paris") -> dict[str, Any]:
    given = [{"role": role, "content": text} for role, text in messages]
    return {"input": given, "ideal": ideal}


KINDS: tuple[tuple[str, dict[str, Any], Any, dict[str, Any], str, str], ...] = (
    ("match:Match", {}, "Paris", {"starts_with": {"texts": "Paris"}}, "Paris.", "It is Paris"),
    ("match:Match", {}, ["A", "B"], {"starts_with": {"texts": ["A", "B"]}}, "B) x", "C"),
    ("includes:Includes", {}, "Paris", {"contains": {"text": "Paris"}}, "In Paris", "paris"),
    (
        "includes:Includes",
        {"ignore_case": True},
        ["Paris", "Rome"],
        {"contains_any": {"texts": ["Paris", "Rome"], "ignore_case": True}},
        "in rome",
        "Bern",
    ),
    (
        "fuzzy_match:FuzzyMatch",
        {},
        "The U.S.",
        {
            "normalized_match": {
                "references": ["The U.S."],
                "ignore": ["case", "punctuation", "articles", "spaces"],
                "where": "either",
            }
        },
        "In the us!",
        "France",
    ),
    (
        "json_match:JsonMatch",
        {},
        ['{"a": 1}', "[2]"],
        {
            "any_of": {
                "of": [
                    {"json_value": {"path": "$", "equals": {"a": 1}}},
                    {"json_value": {"path": "$", "equals": [2]}},
                ]
            }
        },
        "[2]",
        '{"a": 2}',
    ),
)


@pytest.mark.parametrize(("kind", "arguments", "ideal", "check", "passes", "fails"), KINDS)
def test_a_class_becomes_a_check(
    kind: str, arguments: Any, ideal: Any, check: Any, passes: str, fails: str
) -> None:
    made = imported(asked(("user", "?"), ideal=ideal), registry=spec(kind, **arguments))
    suite = written(made)
    assert checks_of(suite) == {"capitals.dev.v0-1": [check]}
    (found,) = suite.cases[0].turns[0].checks
    assert found(Answer(passes, passes), Context()).passed is True
    assert found(Answer(fails, fails), Context()).passed is False
    assert made.carried == {"eval": (1, 1), "sample": (1, 1)}


def test_prompts_are_texts_or_messages_with_examples() -> None:
    shots = {"sample": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}
    put({"registry/data/capitals/few.jsonl": json.dumps(shots) + "\n"})
    registry = spec(num_few_shot=1, few_shot_jsonl="capitals/few.jsonl", max_tokens=5)
    named = [
        {"role": "system", "content": "Go."},
        {"role": "system", "name": "example_user", "content": "q"},
        {"role": "system", "name": "example_assistant", "content": "a"},
        {"role": "user", "content": "France?"},
    ]
    suite = written(imported(asked(("system", "Go."), ("user", "France?")), registry=registry))
    (turn,) = suite.cases[0].turns
    assert [each.content for each in turn.before] == ["Q", "A"]
    assert (suite.cases[0].system, turn.user) == ("Go.", "France?")
    assert suite.cases[0].sampling.max_new_tokens == 5

    suite = written(imported({"input": named, "ideal": "x"}, {"input": "Text", "ideal": "x"}))
    (first,) = suite.cases[0].turns
    assert [each.content for each in first.before] == ["q", "a"]
    assert suite.cases[1].turns[0].user == "Text"


def test_messages_of_one_speaker_become_one_and_that_is_told() -> None:
    made = imported(asked(("user", "a"), ("user", "b")), asked(("system", "only")))
    suite = written(made)
    assert [case.turns[0].user for case in suite.cases] == ["a\n\nb", "only"]
    assert (
        "2 samples with several messages of one speaker"
        in (lines(made, "Carried over, and judged otherwise")[0])
    )


def test_of_several_evals_one_can_be_chosen() -> None:
    registry = {
        **spec(),
        "other": {"id": "other.v0"},
        "other.v0": spec("includes:Includes")["capitals.dev.v0"],
        "judged": {"class": "evals.elsuite.modelgraded.classify:ModelBasedClassify", "args": {}},
    }
    made = imported(asked(("user", "?")), registry=registry)
    assert [case.tags for case in written(made).cases] == [("capitals.dev.v0",), ("other.v0",)]
    assert made.carried["eval"] == (2, 3)
    assert "judged: class ModelBasedClassify: it asks another model" in lines(made)[0]
    made = imported(asked(("user", "?")), registry=registry, only="other")
    assert list(checks_of(written(made))) == ["other.v0-1"]


GOOD = asked(("user", "?"))
LOST: tuple[tuple[Any, str], ...] = (
    ({"input": 5, "ideal": "x"}, "'input' is no text and no list of messages; found 5"),
    (asked(("user", "?"), ideal=None), "'ideal' is no text and no list of texts; found None"),
    (
        asked(("user", "?"), ("assistant", "!")),
        "a conversation begins and ends with the user; found user, assistant",
    ),
    (asked(("tool", "?")), "a speaker is system, user or assistant; found 'tool'"),
)


@pytest.mark.parametrize(("row", "reason"), LOST, ids=[row[1][:25] for row in LOST])
def test_a_sample_that_makes_no_case_is_told_with_its_line(row: Any, reason: str) -> None:
    made = imported(GOOD, row)
    assert lines(made) == [f"registry/data/capitals/samples.jsonl:2: {reason}"]
    assert made.carried["sample"] == (1, 2)


BROKEN: tuple[tuple[Any, dict[str, Any], str], ...] = (
    ({"a": {"id": "b"}}, {}, "no eval of the file names a class"),
    (spec(), {"only": "capital"}, "the file has no eval 'capital'\n  did you mean: capitals"),
    (spec("match:Macth"), {}, "class Macth: it is a program of its own"),
    (spec(samples_jsonl="gone.jsonl"), {}, "samples_jsonl 'gone.jsonl' does not exist"),
    (spec(samples_jsonl="../../x.jsonl"), {}, "is outside of the registry's folder"),
    (spec(samples_jsonl="https://x.y"), {}, "samples_jsonl names no file"),
    (spec(samples_jsonl=None), {}, "give it with --data FILE"),
)


@pytest.mark.parametrize(
    ("registry", "more", "message"), BROKEN, ids=[row[2][:25] for row in BROKEN]
)
def test_a_file_that_cannot_be_carried_over_is_told(
    registry: Any, more: dict[str, Any], message: str
) -> None:
    assert message in told(lambda: imported(GOOD, registry=registry, **more))


def test_samples_can_be_given_and_no_other_ending_is_read() -> None:
    put({"mine.jsonl": json.dumps(GOOD) + "\n", str(REGISTRY): spec(samples_jsonl="gone.jsonl")})
    assert len(written(import_openai_evals(REGISTRY, data=Path("mine.jsonl"))).cases) == 1
    assert "the file has another ending" in told(lambda: import_openai_evals(Path("mine.jsonl")))
