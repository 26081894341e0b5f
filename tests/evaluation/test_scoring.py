"""Scoring one trial: what counts as a pass, and what is said when it is none."""

from __future__ import annotations

from typing import Any

import pytest

from harness.backends import Completion
from harness.common import Message
from harness.evaluation import Transcript, Trial, score_trial, unscored
from harness.results import Outcome, Result, Signature
from harness.scorers import parse_check
from harness.suites import Case, Position, Turn
from tests.evaluation.worlds import TUNED, case


def score(checks: list[Any], *answers: Completion | str, **fields: Any) -> Result:
    """Score answers, one a turn; each turn has the same checks."""
    said = [Completion(a, "stop") if isinstance(a, str) else a for a in answers]
    parsed = tuple(parse_check(check) for check in checks)
    turns = tuple(Turn(f"question {turn}", parsed) for turn in range(len(said)))
    one = Case("a", "s", "c", Position("s.yaml", 1, 1), turns, **fields)
    messages = [Message("system", "Be Lina.")]
    for turn, completion in enumerate(said):
        messages.append(Message("user", f"question {turn}"))
        if turn + 1 < len(said):
            messages.append(Message("assistant", completion.text))
    transcript = Transcript(tuple(messages), tuple(said))
    return score_trial(Trial(one, TUNED, 2), transcript, signature=Signature("e", "s"))


def test_all_checks_must_hold() -> None:
    passed = score([{"contains": "Lina"}, {"contains": "am"}], "I am Lina")
    failed = score([{"contains": "Lina"}, {"contains": "zzz"}], "I am Lina")

    assert (passed.outcome, passed.score, passed.reason) == (Outcome.PASS, 1.0, "")
    assert (failed.outcome, failed.score) == (Outcome.FAIL, 0.5)
    assert failed.reason.startswith("contains: ")
    assert [check.passed for check in failed.checks] == [True, False]


def test_with_a_threshold_the_weighted_mean_decides() -> None:
    checks = [{"contains": "Lina", "weight": 3}, {"contains": "zzz"}]

    assert score(checks, "I am Lina", threshold=0.75).outcome is Outcome.PASS
    failed = score(checks, "I am Lina", threshold=0.8)

    assert (failed.outcome, failed.score) == (Outcome.FAIL, 0.75)
    assert failed.reason.startswith("score 0.75 is below 0.8")


def test_a_check_that_cannot_tell_fails_the_case() -> None:
    unsure = score(["test_unsure"], "hm")
    lenient = score(["test_unsure", {"contains": "hm", "weight": 99}], "hm", threshold=0.5)

    assert (unsure.outcome, unsure.reason) == (
        Outcome.FAIL,
        "test_unsure: cannot tell: too short to tell",
    )
    assert unsure.checks[0].passed is None
    assert unsure.checks[0].version == 3
    assert (lenient.outcome, lenient.score) == (Outcome.PASS, 0.99)


@pytest.mark.parametrize("nothing", ["", " \n", "<think>All is said.</think>\n"])
def test_an_empty_answer_fails_before_any_check(nothing: str) -> None:
    checks = [{"not": {"contains": "zzz"}}]

    assert score(checks, nothing).outcome is Outcome.FAIL
    assert score(checks, nothing).reason == "empty answer"
    assert score(checks, "yes", nothing).reason == "turn 2: empty answer"
    assert score(checks, nothing, allow_empty=True).outcome is Outcome.PASS


def test_an_empty_answer_fails_each_of_its_checks_unseen() -> None:
    result = score([{"not": {"contains": "zzz"}}, "test_raising"], " ")

    assert [(c.check, c.passed, c.score, c.reason) for c in result.checks] == [
        ("not", False, 0.0, "empty answer"),
        ("test_raising", False, 0.0, "empty answer"),
    ]


def test_cannot_tell_is_said_once() -> None:
    assert score([{"language": {"is": "fr"}}], "Ok").reason.startswith("language: cannot tell: ")
    assert score([{"language": {"is": "fr"}}], "Ok").reason.count("cannot tell") == 1


def test_which_tags_hold_reasoning_is_a_setting() -> None:
    trial = Trial(case("a", check={"contains": "zzz"}), TUNED)
    said = "<plan>zzz</plan><think>yyy</think>Lina"
    transcript = Transcript((Message("user", "q"),), (Completion(said, "stop"),))

    assert score_trial(trial, transcript).outcome is Outcome.PASS
    assert score_trial(trial, transcript, tags=("plan",)).outcome is Outcome.FAIL


def test_reasoning_is_not_scored_and_is_kept_in_the_response() -> None:
    result = score([{"not": {"contains": "zzz"}}], "<think>zzz</think>Lina")

    assert result.outcome is Outcome.PASS
    assert result.responses == ("<think>zzz</think>Lina",)


def test_each_turn_has_its_checks_and_says_which_turn_failed() -> None:
    result = score([{"contains": "yes"}], "yes", "no")

    assert [(check.turn, check.passed) for check in result.checks] == [(0, True), (1, False)]
    assert result.reason.startswith("turn 2: contains: ")


def test_an_answer_that_was_cut_off_says_so() -> None:
    cut = Completion("I am", "length", prompt_tokens=9, completion_tokens=16)

    failed = score([{"contains": "Lina"}], cut)
    passed = score([{"contains": "I am"}], cut)

    assert failed.reason.endswith(" (cut off after 16 tokens, at max_new_tokens)")
    assert (failed.finish_reason, passed.finish_reason) == ("length", "length")
    assert (passed.outcome, passed.reason) == (Outcome.PASS, "")


def test_a_result_names_its_trial_and_sums_its_turns() -> None:
    one = Completion("yes", "stop", prompt_tokens=3, completion_tokens=1, seconds=0.5)
    two = Completion("yes", "length", prompt_tokens=6, completion_tokens=2, seconds=0.25)

    result = score([{"contains": "yes"}], one, two, tags=("t",), cluster="k", required=True)

    assert (result.suite, result.category, result.case) == ("s", "c", "a")
    assert (result.variant, result.repeat, result.signature) == ("tuned", 2, Signature("e", "s"))
    assert (result.tags, result.cluster, result.required) == (("t",), "k", True)
    assert (result.prompt_tokens, result.completion_tokens, result.seconds) == (9, 3, 0.75)
    assert result.finish_reason == "length"
    assert [message["role"] for message in result.prompt] == [
        "system",
        "user",
        "assistant",
        "user",
    ]


def test_what_has_no_score_keeps_what_was_said() -> None:
    one = Case("a", "s", "c", Position("s.yaml", 1, 1), (Turn("q"), Turn("r")))
    said = Transcript((Message("user", "q"),), (Completion("yes", "stop"),))

    result = unscored(Trial(one, TUNED), said, Outcome.SKIPPED, "does not fit")

    assert (result.outcome, result.score, result.reason) == (Outcome.SKIPPED, 0.0, "does not fit")
    assert result.responses == ("yes",)
