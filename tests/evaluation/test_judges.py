"""Judges: asked after the answers, stored like any other reply, and never a pass by accident."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.backends import Backend, Completion, Request
from harness.backends.echo import EchoBackend
from harness.common import Sampling, Variant
from harness.evaluation import Counts, Judge, describe_variant, execute, rescore
from harness.results import Completed, Event, Outcome, Planned, Result, Signature
from harness.store import Store
from harness.suites import Case
from tests.evaluation.engines import ScriptedEngine
from tests.evaluation.worlds import BASE, case, go, plan_of, record, suite

POLITE = {"judge": "The answer is polite."}


def judge(backend: Backend, **sampling: Any) -> Judge:
    """A judge on this engine."""
    return Judge(backend, Variant("judge", "m"), Sampling(**sampling))


def recorded(**script: Any) -> Judge:
    """A judge that says what the script says about each case."""
    return judge(EchoBackend(script))


def judged(
    store: Path, engine: Backend, *cases: Case, heard: list[Event] | None = None, **judges: Judge
) -> tuple[Counts, list[Result]]:
    """Run cases with judges; the one called `default` is asked when no other is named."""
    named = {"" if name == "default" else name: one for name, one in judges.items()}
    plan = replace(plan_of(engine, *cases), judges=named)
    return go(store, plan, engine, heard.append if heard is not None else (lambda event: None))


def said(results: list[Result]) -> list[str]:
    return [f"{result.outcome} {result.reason}".strip() for result in results]


def test_the_judge_decides(tmp_path: Path) -> None:
    default = recorded(kind="Nice.\nRating: 5", rude="Curt.\nRating: 2")

    counts, results = judged(
        tmp_path / "db",
        ScriptedEngine(),
        case("kind", check=POLITE),
        case("rude", check=POLITE),
        default=default,
    )

    assert said(results) == ["pass", "fail judge: rated 2, wanted 4 of 5"]
    assert results[0].checks[0].detail == {"rating": 5, "why": "Nice."}
    assert (counts.generated, counts.cached) == (4, 0)


def test_a_second_run_asks_nobody(tmp_path: Path) -> None:
    cases = [case("a", check=POLITE), case("b", "one", "two", check=POLITE)]
    script = {"a": "Rating: 5", "b": ["Rating: 4", "Rating: 1"]}
    _, first = judged(tmp_path / "db", ScriptedEngine(), *cases, default=recorded(**script))

    def never(request: Request) -> Completion:
        raise AssertionError("the judge was asked again")

    heard: list[Event] = []
    engine = ScriptedEngine()
    counts, second = judged(
        tmp_path / "db", engine, *cases, heard=heard, default=recorded(**script)
    )

    assert engine.asked == []
    assert (counts.generated, counts.cached) == (0, 6)
    assert [replace(result, cached=False) for result in second] == first
    assert heard[0] == Planned(trials=2, requests=6)


def test_judges_replies_are_progress(tmp_path: Path) -> None:
    heard: list[Event] = []

    judged(
        tmp_path / "db",
        ScriptedEngine(),
        case("a", check=POLITE),
        heard=heard,
        default=recorded(a="Rating: 5"),
    )

    assert heard[0] == Planned(trials=1, requests=2)
    assert sum(event.count for event in heard if isinstance(event, Completed)) == 2


def test_one_answer_twice_is_one_question(tmp_path: Path) -> None:
    """Repeats that say the same are judged once, unless the replies are recorded ones."""
    engine = ScriptedEngine(lambda request: Completion("Rating: 5", "stop"))

    counts, results = judged(
        tmp_path / "db",
        ScriptedEngine(),
        case("a", check=POLITE, repeats=3),
        default=judge(engine),
    )

    assert said(results) == ["pass"] * 3
    assert len(engine.asked) == 1
    assert (counts.generated, counts.cached) == (4, 2)


def test_a_reply_that_cannot_be_read_is_an_error_again_and_again(tmp_path: Path) -> None:
    unreadable = (
        "error check 'judge': a judge's reply cannot be read (found: 'Well, fine.'; "
        "expected: Rating: 1 to 5)"
    )
    for generated in (2, 0):
        counts, results = judged(
            tmp_path / "db",
            ScriptedEngine(),
            case("a", check=POLITE),
            default=recorded(a="Well, fine."),
        )
        assert said(results) == [unreadable]
        assert results[0].score == 0.0
        assert counts.generated == generated


def test_not_is_no_way_round_an_unreadable_reply(tmp_path: Path) -> None:
    _, results = judged(
        tmp_path / "db",
        ScriptedEngine(),
        case("a", check={"not": POLITE}),
        default=recorded(a="Well, fine."),
    )

    assert results[0].outcome is Outcome.ERROR


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Completion("", "error", error="out of memory"), "no reply of the judge: out of memory"),
        (
            Completion("Rating: 5", "length", completion_tokens=16),
            "the judge's reply was cut off after 16 tokens",
        ),
        (None, "the engine gave no answer"),
    ],
)
def test_no_whole_reply_is_an_error(tmp_path: Path, reply: Completion | None, message: str) -> None:
    engine = ScriptedEngine(lambda request: reply)

    _, results = judged(
        tmp_path / "db", ScriptedEngine(), case("a", check=POLITE), default=judge(engine)
    )

    assert said(results) == [f"error {message}"]
    assert results[0].responses == ("a",)


def test_a_judge_that_breaks_ends_what_it_should_have_judged(tmp_path: Path) -> None:
    def broken(request: Request) -> Completion:
        raise RuntimeError("CUDA error")

    counts, results = judged(
        tmp_path / "db",
        ScriptedEngine(),
        case("a", check=POLITE),
        case("b"),
        default=judge(ScriptedEngine(broken)),
    )

    assert said(results) == ["error the engine 'scripted' broke", "pass"]
    assert counts.broken is not None


def test_a_question_that_does_not_fit_is_an_error(tmp_path: Path) -> None:
    _, results = judged(
        tmp_path / "db",
        ScriptedEngine(),
        case("a", check=POLITE),
        default=judge(ScriptedEngine(room=20), max_new_tokens=8),
    )

    assert results[0].outcome is Outcome.ERROR
    assert results[0].reason.startswith("the question does not fit the judge's context: ")


def test_each_check_asks_the_judge_that_it_names(tmp_path: Path) -> None:
    check = {"all_of": [POLITE, {"judge": {"rubric": "It is short.", "backend": "second"}}]}

    _, results = judged(
        tmp_path / "db",
        ScriptedEngine(),
        case("a", check=check),
        default=recorded(a=["Rating: 5", "no"]),
        second=recorded(a=["no", "Rating: 1"]),
    )

    assert said(results) == ["fail all_of: 1 of 2 hold, wanted 2: judge: rated 1, wanted 4 of 5"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("", "no judge is configured"), ("x", "no judge is configured as 'x'")],
)
def test_without_the_judge_there_is_no_score(tmp_path: Path, name: str, message: str) -> None:
    check = {"judge": {"rubric": "polite", "backend": name}}

    _, results = judged(tmp_path / "db", ScriptedEngine(), case("a", check=check))

    assert said(results) == [f"error {message}"]


def test_an_empty_answer_is_not_judged(tmp_path: Path) -> None:
    engine = ScriptedEngine()

    _, results = judged(
        tmp_path / "db",
        ScriptedEngine(lambda request: Completion(" ", "stop")),
        case("a", check=POLITE),
        default=judge(engine),
    )

    assert (said(results), engine.asked) == (["fail empty answer"], [])


def test_who_judged_is_part_of_the_signature(tmp_path: Path) -> None:
    def signature(name: str, one: Judge, check: Any = POLITE) -> Signature:
        _, results = judged(tmp_path / name, ScriptedEngine(), case("a", check=check), default=one)
        return results[0].signature

    first = signature("1", judge(ScriptedEngine(_five)))
    assert signature("2", judge(ScriptedEngine(_five))) == first
    others = {
        signature("3", judge(ScriptedEngine(_five, version="2"))),
        signature("4", judge(ScriptedEngine(_five, weights={"judge": "other"}))),
        signature("5", judge(ScriptedEngine(_five), max_new_tokens=9)),
        signature("6", judge(ScriptedEngine(_five)), {"judge": {"rubric": "It is rude."}}),
    }
    assert len({first, *others}) == 5
    assert {replace(other, scoring=first.scoring) for other in others} == {first}
    assert signature("7", judge(ScriptedEngine(_five)), {"contains": "a"}).scoring == ()


def _five(request: Request) -> Completion:
    return Completion("Rating: 5", "stop")


def test_stored_replies_score_again_without_a_judge(tmp_path: Path) -> None:
    engine, default = ScriptedEngine(), recorded(a="Rating: 4", b="Rating: 4")
    plan = plan_of(engine, case("a", check=POLITE), case("b", check=POLITE))
    with Store(tmp_path / "db") as store:
        store.start_run(replace(record(), variants=(describe_variant(BASE, engine),)))
        execute(replace(plan, judges={"": default}), engine, store, "run")
    stricter = case("a", check={"judge": {"rubric": POLITE["judge"], "min": 5}})
    other = case("b", check={"judge": "It is long."})

    with Store(tmp_path / "db") as store:
        again = list(rescore("run", [suite(stricter, other)], store, judges={"": default}))

    reasons = [(r.after.outcome, r.after.reason) for r in again]
    assert reasons[0] == (Outcome.FAIL, "judge: rated 4, wanted 5 of 5")
    assert reasons[1] == (
        Outcome.ERROR,
        "check 'judge': no reply of a judge is at hand (found: 'It is long.')",
    )
