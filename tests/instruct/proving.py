"""Proves the checks of a suite on recorded answers: right ones pass, wrong ones fail.

Answers stand in `answers/SUITE.yaml`, by case. A right answer is a text, or a list of texts, one
for each turn. A wrong one has a name, which says what is wrong, and is a text, a list of texts, or
an edit of the first right answer:

    bullets-museum:
      right: ["- a\n- b"]
      wrong:
        one bullet more: {after: "\n- c"}
        talk before the list: {before: "Sure!\n\n"}
        other marks: {replace: {"- ": "1. "}}
        in the second turn: {turn: 2, after: " Anything else?"}

Answers are scored the way the runner scores them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from harness.backends import Completion
from harness.common import BASE, Message, Messages, Variant
from harness.evaluation import Transcript, Trial, score_trial
from harness.results import Outcome, Result
from harness.suites import Case, load_suite

ROOT = Path(__file__).parents[2]
SUITES = ROOT / "suites" / "instruct"
ANSWERS = Path(__file__).parent / "answers"
_EDITS = {"turn", "before", "after", "replace"}

# What no case of any suite may accept.
USELESS = {
    "nothing": "",
    "white space": " \n\t\n",
    "a refusal": "I'm sorry, but I can't help with that.",
    "a promise": "Certainly! I will do that right away.",
    "the wrong trade": "The weather is nice today, and the ferry leaves at a quarter to nine.",
}


@dataclass(frozen=True)
class Recorded:
    """Answers to one case: one text for each turn, and what is wrong with them (if anything is)."""

    what: str
    responses: tuple[str, ...]


@dataclass(frozen=True)
class Proof:
    """What was recorded about one case."""

    right: tuple[Recorded, ...]
    wrong: tuple[Recorded, ...]

    @classmethod
    def of_texts(cls, right: Iterable[str], wrong: Mapping[str, str] | Iterable[str]) -> Proof:
        """Answers of one turn; a wrong one without a name is called what it says."""
        named = wrong if isinstance(wrong, Mapping) else {text: text for text in wrong}
        return cls(
            tuple(Recorded("right", (text,)) for text in right),
            tuple(Recorded(what, (text,)) for what, text in named.items()),
        )


@cache
def cases(suite: str) -> Mapping[str, Case]:
    """The cases of a suite of `suites/instruct` by id."""
    return {case.id: case for case in load_suite(SUITES / f"{suite}.yaml").cases}


@cache
def recorded(suite: str) -> dict[str, Any]:
    """What stands in `answers/SUITE.yaml`, where it is not one row for each case."""
    loaded: dict[str, Any] = yaml.safe_load((ANSWERS / f"{suite}.yaml").read_text("utf-8"))
    return loaded


@cache
def rows(name: str) -> tuple[dict[str, Any], ...]:
    """The rows of a data file of the suites."""
    lines = (SUITES / "data" / f"{name}.jsonl").read_text("utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


@cache
def proofs(suite: str) -> Mapping[str, Proof]:
    """What is recorded in `answers/SUITE.yaml`, by case."""
    with (ANSWERS / f"{suite}.yaml").open(encoding="utf-8") as file:
        rows = yaml.load(file, Loader=yaml.BaseLoader)  # all scalars are texts: no dates, no NO
    return {str(case): written_proof(case, row) for case, row in rows.items()}


def written_proof(case: str, row: Mapping[str, Any]) -> Proof:
    """What a row of an answers file records about a case."""
    if set(row) != {"right", "wrong"} or not row["right"] or not row["wrong"]:
        raise ValueError(f"{case}: `right` and `wrong` are wanted, none of them empty")
    right = tuple(Recorded("right", _texts(item)) for item in row["right"])
    first = right[0].responses
    wrong = ((what, _edited(case, what, first, item)) for what, item in row["wrong"].items())
    return Proof(right, tuple(Recorded(*pair) for pair in wrong))


def _texts(item: str | Sequence[str]) -> tuple[str, ...]:
    return (item,) if isinstance(item, str) else tuple(item)


def _edited(case: str, what: str, first: tuple[str, ...], item: Any) -> tuple[str, ...]:
    """The texts themselves, or the first right answer with an edit; an edit must change it."""
    if not isinstance(item, Mapping):
        return _texts(item)
    if not set(item) <= _EDITS:
        raise ValueError(f"{case}, {what}: known edits are {sorted(_EDITS)}")
    at = int(item.get("turn", 1)) - 1
    text = first[at]
    for old, new in item.get("replace", {}).items():
        if old not in text:
            raise ValueError(f"{case}, {what}: {old!r} is not in the right answer")
        text = text.replace(old, new)
    text = f"{item.get('before', '')}{text}{item.get('after', '')}"
    return (*first[:at], text, *first[at + 1 :])


def judge(case: Case, responses: Sequence[str]) -> Result:
    """The result of a trial with these answers; errors of machinery are results too."""
    completions = tuple(Completion(text, "stop") for text in responses)
    trial = Trial(case, Variant(BASE, "recorded"))
    return score_trial(trial, Transcript(_messages(case, responses), completions))


def _messages(case: Case, responses: Sequence[str]) -> Messages:
    """All that was said before the last answer."""
    said = [] if case.system is None else [Message("system", case.system)]
    for turn, text in zip(case.turns, responses, strict=True):
        said += [Message("user", turn.user), Message("assistant", text)]
    return tuple(said[:-1])


# -- what a proof must show ------------------------------------------------------------------------


def prove(case: Case, proof: Proof, beside: Iterable[Recorded] = ()) -> None:
    """Right answers pass, wrong ones fail, and so do those `beside` them.

    Each check is failed by one of the wrong answers at least: none is there for show.
    """
    wrong = [(recorded, judge(case, recorded.responses)) for recorded in proof.wrong]
    faults = [*_refused(case, proof.right), *_accepted(wrong), *_unproven(case, wrong)]
    assert not faults, "\n".join(faults)
    all_fail(case, beside)


def all_fail(case: Case, answers: Iterable[Recorded]) -> None:
    """None of these answers passes."""
    faults = _accepted([(recorded, judge(case, recorded.responses)) for recorded in answers])
    assert not faults, "\n".join(faults)


def _refused(case: Case, right: Iterable[Recorded]) -> list[str]:
    """Right answers that do not pass."""
    return [
        f"refused: {result.outcome}: {result.reason} -- {recorded.responses[-1][:80]!r}"
        for recorded in right
        if (result := judge(case, recorded.responses)).outcome is not Outcome.PASS
    ]


def _accepted(wrong: Iterable[tuple[Recorded, Result]]) -> list[str]:
    """Wrong answers that do not fail."""
    return [
        f"not failed: {recorded.what}: {result.outcome} {result.reason}"
        for recorded, result in wrong
        if result.outcome is not Outcome.FAIL
    ]


def _unproven(case: Case, wrong: Iterable[tuple[Recorded, Result]]) -> list[str]:
    """Checks that no wrong answer fails: nothing shows that they can say no."""
    failed = {
        (check.turn, at)
        for _, result in wrong
        for at, check in _numbered(result)
        if check.passed is False
    }
    return [
        f"never failed: turn {turn + 1}, check {at + 1}: {check.as_json()}"
        for turn, scripted in enumerate(case.turns)
        for at, check in enumerate(scripted.checks)
        if (turn, at) not in failed
    ]


def _numbered(result: Result) -> Iterator[tuple[int, Any]]:
    """The checks of a result, each with its place in its turn."""
    places: dict[int, int] = {}
    for check in result.checks:
        at = places.get(check.turn, 0)
        places[check.turn] = at + 1
        yield at, check


def useless(case: Case) -> Iterator[Recorded]:
    """Answers that are wrong whatever is asked; the last one parrots the question."""
    for what, text in USELESS.items():
        yield Recorded(what, (text,) * len(case.turns))
    yield Recorded("a parrot", tuple(turn.user for turn in case.turns))
