"""Prompts that went wrong in production: some become training rows, the others a draft suite.

Each prompt lies on one side only, by its hash: what is trained on cannot gate. The draft holds all
of them; those that go into training stand under `retire`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from harness.common import InputError, Problem, digest, nearest, whole_file
from harness.suites import Case, Suite, load_suite
from harness.suites.rows import DataRow, first_of, read_rows

KEYS = ("prompt", "messages", "system", "response", "expected", "checks", "id")
DRAFT = "bad cases from production; look at the checks before you add this file to your suites"


@dataclass(frozen=True)
class BadCases:
    """The draft suite, and its cases: `training` go into the pool, the others may gate one day.

    `unchecked` counts prompts of which nothing says what a right answer is: they train nothing.
    """

    draft: Path
    suite: Suite
    training: tuple[Case, ...]
    gating: tuple[Case, ...]
    unchecked: int


def read_bad_cases(path: Path, draft: Path, *, category: str, holdout: float) -> BadCases:
    """Read the file, and write the draft suite.

    A row has `prompt` or `messages`, the bad `response`, and `expected` or `checks` that say what a
    right answer is. Raise InputError with the lines of all rows that are wrong.
    """
    cases = _cases(path)
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
    draft.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(draft) as file:
        yaml.safe_dump(document, file, sort_keys=False, allow_unicode=True, width=100)
    suite = load_suite(draft)
    everything = (*suite.cases, *suite.retired)
    training = [case for case in everything if case.id not in held]
    able = tuple(case for case in training if len(case.turns[-1].checks) > 1)
    gating = tuple(case for case in everything if case.id in held)
    return BadCases(draft, suite, able, gating, len(training) - len(able))


def _cases(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise InputError(Problem("there is no such file of bad cases", path=str(path)))
    if path.suffix not in (".jsonl", ".csv"):
        raise InputError(Problem("bad cases are .jsonl or .csv", path=str(path)))
    found: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for row in read_rows(path, path.as_posix()):
        wrong = list(_wrong(row.values))
        problems += [replace(problem, path=path.as_posix(), line=row.line) for problem in wrong]
        if not wrong:
            case = _case(row)
            found.setdefault(case["id"], case)
    if problems:
        raise InputError(*first_of(problems, path.as_posix()))
    return list(found.values())


def _wrong(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong in a row, without the place."""
    for key in values:
        if key not in KEYS:
            close = nearest(key, KEYS)
            message = f"key {key!r} is not known here"
            yield Problem(message, expected=", ".join(KEYS), did_you_mean=close)
    if ("prompt" in values) == ("messages" in values):
        yield Problem("a bad case has either a prompt or messages")
    for key in ("prompt", "system", "response", "expected"):
        if key in values and not isinstance(values[key], str):
            yield Problem(f"{key!r} is no text", found=repr(values[key])[:100])
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
