"""What pytest says of a case that machinery broke: what went wrong, and how to go on."""

from __future__ import annotations

from dataclasses import replace

from harness.pytest_plugin.items import GO_ON, Kind, case_outcome, describe
from harness.results import CheckResult, Verdict
from tests.gate.hand_made import alone, result, rows

BROKEN = replace(alone(rows("PE"), n=2), verdict=Verdict.ERROR)


def test_a_case_that_broke_says_what_broke_and_how_to_go_on() -> None:
    broke = replace(result("c1", outcome="E"), reason="no answer: the server said 500")

    assert case_outcome([broke], BROKEN).kind is Kind.ERROR
    assert case_outcome([broke], BROKEN).text.splitlines() == [
        "no answer: the server said 500",
        "  machinery, not the model: fix it and run the same command; finished answers are kept",
    ]


def test_a_case_that_was_not_asked_says_what_ended_the_run() -> None:
    found = case_outcome(
        [], BROKEN, failure="the engine ended: out of memory\n  hint: a smaller batch"
    )

    assert (found.kind, found.text.splitlines()) == (
        Kind.ERROR,
        [
            "no result: the run ended before it was asked",
            "  what ended it: the engine ended: out of memory",
            GO_ON,
        ],
    )


def test_a_failure_says_what_was_asked_and_what_the_baseline_said() -> None:
    mine = replace(
        result("c1", outcome="F"),
        reason="turn 2: contains: 'two' not found",
        responses=("one", "three"),
        checks=(
            CheckResult("contains", 0, True, 1.0, ""),
            CheckResult("contains", 1, False, 0.0, "'two' not found"),
        ),
        prompt=(
            {"role": "user", "content": "an example"},
            {"role": "assistant", "content": "of an answer"},
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "one"},
            {"role": "user", "content": "second"},
        ),
    )
    base = replace(mine, variant="base", responses=("one", "two"))
    assert describe(mine, base).splitlines() == [
        "turn 2: contains: 'two' not found",
        "  asked, turn 2: 'second'",
        "  answer: 'three'",
        "  base's answer: 'two'",
    ]
    assert "base" not in describe(mine)
