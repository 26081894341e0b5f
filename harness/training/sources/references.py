"""Right answers that a case's own checks give away, each tried against all of its checks.

A check that wants one exact text, number or JSON value says what a right answer is. What it says
is only kept when every check of the turn passes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from harness.backends import Completion
from harness.common import Message, Messages, Variant
from harness.evaluation import Transcript, Trial, messages_of, score_trial
from harness.results import Outcome
from harness.scorers import Check
from harness.suites import Case, Turn

MOST_TRIED = 64  # conversations that are scored for one case: turns multiply


def reference_conversation(case: Case, haystack: str | None = None) -> Messages | None:
    """Answer each turn of a case as its checks give it away; None where they do not.

    `haystack` is the first user turn of a haystack case.
    """
    trial = Trial(case, Variant("reference", "reference"))
    texts = {} if haystack is None else {case.id: haystack}
    for tried, answers in enumerate(_answers(case.turns)):
        if tried == MOST_TRIED:
            return None
        messages = messages_of(trial, answers[:-1], texts)
        completions = tuple(Completion(text, "stop") for text in answers)
        result = score_trial(trial, Transcript(messages, completions))
        if result.outcome is Outcome.PASS:
            return (*messages, Message("assistant", answers[-1]))
    return None


def _answers(turns: tuple[Turn, ...]) -> Iterator[tuple[str, ...]]:
    """Yield all combinations of candidate answers, one for each turn."""
    if not turns:
        yield ()
        return
    for first in dict.fromkeys(text for check in turns[0].checks for text in _said(check)):
        for rest in _answers(turns[1:]):
            yield (first, *rest)


def _said(check: Check) -> Iterator[str]:
    """Yield the whole answers that one check names."""
    ((name, arguments),) = check.as_json().items()
    wanted = arguments if isinstance(arguments, dict) else {}
    match name:
        case "equals" if isinstance(wanted.get("text"), str):
            yield str(wanted["text"])
        case "one_of":
            yield from (text for text in _list(wanted, "texts") if isinstance(text, str))
        case "numeric":
            yield from (str(wanted[key]) for key in ("value", "equals") if key in wanted)
        case "json_value" if wanted.get("path") == "$" and "equals" in wanted:
            yield json.dumps(wanted["equals"], ensure_ascii=False)
        case "needle" if "value" in wanted:
            yield str(wanted["value"])
        case "needles":
            yield ", ".join(str(value) for value in _list(wanted, "values"))
        case _:
            return


def _list(wanted: Mapping[str, object], key: str) -> list[object]:
    found = wanted.get(key)
    return found if isinstance(found, list) else []
