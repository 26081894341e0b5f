"""Prompts that went wrong in production: some become training rows, the others a draft suite.

Each prompt lies on one side only, by its hash: what is trained on cannot gate. The draft holds all
of them; those that go into training stand under `retire`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from harness.backends import Completion
from harness.common import (
    KEYS_COMPARED,
    InputError,
    Message,
    Problem,
    Variant,
    digest,
    make_folder,
    nearest,
    shown,
    whole_file,
)
from harness.common.reading import first_problems
from harness.evaluation import Transcript, Trial, score_trial
from harness.results import Outcome
from harness.suites import Case, Suite, load_suite
from harness.suites.rows import DataRow, read_rows
from harness.training.values import LabelledAnswer

KEYS = ("prompt", "messages", "system", "response", "expected", "checks", "id")
DRAFT = "bad cases from production; look at the checks before you add this file to your suites"


@dataclass(frozen=True)
class BadCases:
    """The draft suite, and its cases: `training` go into the pool, the others may gate one day.

    `unchecked` counts prompts of which nothing says what a right answer is: they train nothing.
    `answers` are those that production gave to training prompts, and those that were expected.
    """

    draft: Path
    suite: Suite
    training: tuple[Case, ...]
    gating: tuple[Case, ...]
    unchecked: int
    answers: tuple[LabelledAnswer, ...] = ()


def read_bad_cases(path: Path, draft: Path, *, category: str, holdout: float) -> BadCases:
    """Read the file, and write the draft suite.

    A row has `prompt` or `messages`, the bad `response`, and `expected` or `checks` that say what a
    right answer is. Raise InputError with the lines of all rows that are wrong.
    """
    read = _cases(path)
    cases = [case for case, _row in read]
    # By their hash, at least one of two or more stays out of training.
    order = sorted((case["id"] for case in cases), key=lambda name: digest(["bad-case", name]))
    count = min(max(round(len(order) * holdout), 1), len(order) - 1) if len(order) > 1 else 0
    held = set(order[:count])
    retired = [case["id"] for case in cases if case["id"] not in held]
    document = {
        "suite": draft.stem,
        "category": category,
        "description": DRAFT,
        "cases": cases,
        **({"retire": retired} if len(retired) < len(cases) else {}),
    }
    make_folder(draft.parent)
    with whole_file(draft) as file:
        yaml.safe_dump(document, file, sort_keys=False, allow_unicode=True, width=100)
    suite = load_suite(draft)
    everything = (*suite.cases, *suite.retired)
    training = [case for case in everything if case.id not in held]
    able = tuple(case for case in training if len(case.turns[-1].checks) > 1)
    gating = tuple(case for case in everything if case.id in held)
    rows = {case["id"]: row for case, row in read}
    problems: list[Problem] = []
    answers: list[LabelledAnswer] = []
    for case in able:
        row, turn = rows[case.id], case.turns[-1]
        system = () if case.system is None else (Message("system", case.system),)
        prompt = (*system, Message("user", turn.user))
        source = f"{path.as_posix()}:{row.line}"
        if expected := row.values.get("expected"):
            trial = Trial(case, Variant("expected", "expected"))
            said = Transcript(prompt, (Completion(expected, "stop"),))
            scored = score_trial(trial, said)
            if scored.outcome is Outcome.FAIL:
                problems.append(
                    Problem(
                        "the expected answer does not pass the row's own checks",
                        path.as_posix(),
                        row.line,
                        found=scored.reason,
                        hint="mend the answer or the checks: nothing good can be learned from it",
                    )
                )
            answers.append(LabelledAnswer(prompt, expected, True, source, case.id))
        if response := row.values.get("response"):
            answers.append(LabelledAnswer(prompt, response, False, source, case.id))
    if problems:
        raise InputError(*first_problems(problems, path.as_posix()))
    return BadCases(draft, suite, able, gating, len(training) - len(able), tuple(answers))


def _cases(path: Path) -> list[tuple[dict[str, Any], DataRow]]:
    if not path.is_file():
        raise InputError(Problem("there is no such file of bad cases", path=str(path)))
    if path.suffix not in (".jsonl", ".csv"):
        raise InputError(Problem("bad cases are .jsonl or .csv", path=str(path)))
    found: dict[str, tuple[dict[str, Any], DataRow]] = {}
    problems: list[Problem] = []
    for row in read_rows(path, path.as_posix()):
        wrong = list(_wrong(row.values))
        problems += [replace(problem, path=path.as_posix(), line=row.line) for problem in wrong]
        if not wrong:
            case = _case(row)
            found.setdefault(case["id"], (case, row))
    if problems:
        raise InputError(*first_problems(problems, path.as_posix()))
    return list(found.values())


def _wrong(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong in a row, without the place."""
    for key in islice((key for key in values if key not in KEYS), KEYS_COMPARED):
        message = f"key {shown(key)} is not known here"
        yield Problem(message, expected=", ".join(KEYS), did_you_mean=nearest(key, KEYS))
    if ("prompt" in values) == ("messages" in values):
        yield Problem("a bad case has either a prompt or messages")
    for key in ("prompt", "system", "response", "expected"):
        if key in values and not isinstance(values[key], str):
            yield Problem(f"{key!r} is no text", found=repr(values[key])[:100])
    answers = [values.get(key) for key in ("response", "expected")]
    texts = [answer.strip() for answer in answers if isinstance(answer, str) and answer.strip()]
    if len(texts) == 2 and texts[0] == texts[1]:
        hint = "say in `expected` what should have been answered"
        yield Problem("the bad answer and the expected one are the same", hint=hint)
    if not isinstance(values.get("checks", []), list):
        yield Problem("'checks' is no list")
    if "messages" in values:
        given = values["messages"]
        messages = given if isinstance(given, list) else []
        roles = [
            message.get("role")
            for message in messages
            if isinstance(message, dict) and isinstance(message.get("content"), str)
        ]
        if roles not in (["user"], ["system", "user"]) or len(roles) != len(messages):
            expected = "perhaps a system turn, and one user turn"
            yield Problem("'messages' is no conversation of one question", expected=expected)


def _case(row: DataRow) -> dict[str, Any]:
    values = row.values
    said = {m["role"]: m["content"] for m in values.get("messages", [])}
    system = values.get("system", said.get("system"))
    user = values.get("prompt", said.get("user"))
    checks = list(values.get("checks", []))
    if values.get("expected"):
        checks.append({"equals": _plain(values["expected"])})
    if values.get("response"):
        checks.append({"not": {"equals": _plain(values["response"])}})
    name = f"bad-{digest([system, user], 10)}"
    return {
        "id": name,
        "tags": ["bad-case"],
        **({} if system is None else {"system": _plain(system)}),
        "user": _plain(str(user)),
        "checks": checks or [{"not": {"equals": ""}}],
    }


def _plain(text: str) -> str:
    """Return the text as a template that says it: production prompts are no templates."""
    if not any(mark in text for mark in ("{{", "{%", "{#")):
        return text
    return "{{ " + repr(text) + " }}" if "endraw" in text else "{% raw %}" + text + "{% endraw %}"
