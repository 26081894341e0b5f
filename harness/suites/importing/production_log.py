"""Answers from production as draft cases: what was asked, and which answers were good or bad.

A row is one answer, with what people said of it. For each prompt a check is proposed that accepts
its good answers and rejects its bad ones, and tried on all of them; where no check tells them
apart, a person must write one. Nothing is taken out of the texts: names and addresses of customers
are the user's to remove, and lines that seem to hold some are listed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.common import InputError, Problem, nearest, plural, shown
from harness.common.reading import first_problems
from harness.scorers import Answer, Context, parse_check
from harness.suites.data_files import data_rows
from harness.suites.importing.conversations import check_of, said_in
from harness.suites.importing.source import (
    Imported,
    Notes,
    Wrong,
    literal,
    name_of,
    numbered,
    valid,
)
from harness.suites.rows import DataRow

LOG_TARGETS = ("user", "messages", "system", "answer", "verdict", "better", "id", "tag")
_USUAL = {
    "messages": ("messages", "conversation", "conversations"),
    "user": ("prompt", "user", "question", "input", "query", "instruction"),
    "system": ("system", "system_prompt"),
    "answer": ("answer", "response", "output", "completion"),
    "verdict": ("verdict", "feedback", "rating", "label", "good", "thumbs", "thumbs_up"),
    "better": ("better", "correction", "corrected", "edited", "ideal"),
    "id": ("id", "request_id", "trace_id"),
}
_GOOD = {
    *("good", "up", "yes", "true", "1", "1.0", "+1", "👍", "positive", "accepted", "correct"),
    "ok",
}
_BAD = {
    *("bad", "down", "no", "false", "0", "0.0", "-1", "👎", "negative", "rejected", "wrong"),
    "incorrect",
}
_MAX_CASES = 5000  # drafts are read by people, one by one
_PERSONAL = (
    ("a mail address", re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.[A-Za-z]{2,}")),
    ("a telephone number", re.compile(r"(?<![\w.])\+?\d(?:[ ()/-]?\d){8,14}(?![\w.])")),
    ("an account number", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}\b")),
    ("a web address with a name or a key", re.compile(r"https?://\S*[?&@]\S+")),
)
_WORD = re.compile(r"\w+(?:[-'’]\w+)*")


@dataclass
class _Asked:
    """A prompt, and what was answered to it."""

    line: int
    said: Mapping[str, Any]
    name: str = ""
    tag: str = ""
    good: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)


def import_log(
    path: Path,
    columns: Mapping[str, str] | None = None,
    *,
    category: str = "production",
    pairs: bool = False,
) -> Imported:
    """Read the rows of a log as draft cases. Raises InputError with lines.

    columns: which column holds what, by target of `LOG_TARGETS`. pairs: every other prompt that has
    good and bad answers becomes a pair for training instead of a case: what is trained on must not
    gate.
    """
    rows = data_rows(path, "rows of a log")
    name = path.as_posix()
    found = _columns(rows, dict(columns or {}), name)
    intent = "every check is a proposal: read it, and change what it does not say"
    notes = Notes(decide=[Problem(intent, name)])
    drafts: list[tuple[_Asked, dict[str, Any]]] = []
    made_pairs: list[dict[str, Any]] = []
    of_both_kinds = 0
    for asked in _prompts(rows, found, name, notes):
        both = [text for text in asked.good if text in asked.bad]
        if both:
            message = "one answer is called good and bad"
            notes.decide.append(Problem(message, name, asked.line, found=shown(both[0])))
            asked.good = [text for text in asked.good if text not in both]
            asked.bad = [text for text in asked.bad if text not in both]
            if not asked.good and not asked.bad:
                message = "no answer is left to this prompt"
                notes.left_out.append(Problem(message, name, asked.line))
                continue
        if pairs and asked.good and asked.bad:
            of_both_kinds += 1
            if of_both_kinds % 2 == 0:
                made_pairs.append(_pair(asked))
                continue
        check, doubt = _proposed(asked)
        if doubt:
            notes.decide.append(Problem(doubt, name, asked.line))
        drafts.append((asked, check))
        if len(drafts) > _MAX_CASES:
            hint = "take the rows that matter most: a draft is read by a person"
            raise InputError(Problem(f"more than {_MAX_CASES:,} prompts", name, hint=hint))
    ids: Counter[str] = Counter()
    cases = [
        {
            "id": numbered(asked.name, ids),
            **({"tags": [asked.tag]} if asked.tag else {}),
            **literal(dict(asked.said)),
            "checks": [literal(check)],
        }
        for asked, check in drafts
    ]
    accepted = [_passes(check, text) for asked, check in drafts for text in asked.good]
    rejected = [not _passes(check, text) for asked, check in drafts for text in asked.bad]
    good, bad = plural(len(accepted), "good answer"), plural(len(rejected), "bad answer")
    return Imported(
        category=category,
        description=f"Drafts from {path.name}: prompts of production.",
        cases=tuple(cases),
        sampling={"temperature": 0, "max_new_tokens": 512},
        left_out=tuple(notes.left_out),
        decide=tuple(notes.decide),
        carried={"row": (len(rows) - len(notes.left_out), len(rows))},
        pairs=tuple(made_pairs),
        confirmed=f"The checks proposed accept {sum(accepted):,} of {good}, "
        f"and reject {sum(rejected):,} of {bad}.",
        origin=f"{path.name}, answers from production",
    )


def _columns(rows: Sequence[DataRow], columns: dict[str, str], name: str) -> Mapping[str, str]:
    """Return which column holds what. Raises InputError."""
    there = list({str(column): None for row in rows for column in row.values})
    for target, names in _USUAL.items():
        if target not in columns and (usual := next((n for n in names if n in there), "")):
            columns[target] = usual
    if "messages" in columns:
        columns.pop("user", None)
    wanted = ", ".join(there)[:300]
    problems = [
        Problem(
            f"no row has {column!r}", name, expected=wanted, did_you_mean=nearest(column, there)
        )
        for column in columns.values()
        if column not in there
    ]
    hint = "say which columns hold what: --map user=COLUMN,answer=COLUMN,verdict=COLUMN"
    if not {"user", "messages"} & columns.keys():
        problems.append(Problem("no column is what the user says", name, found=wanted, hint=hint))
    elif not {"answer", "messages", "better"} & columns.keys():
        problems.append(Problem("no column is the answer", name, found=wanted, hint=hint))
    elif not {"verdict", "better"} & columns.keys():
        message = "no column says which answers were good"
        problems.append(Problem(message, name, found=wanted, hint=hint))
    if problems:
        raise InputError(*problems)
    return columns


def _prompts(
    rows: Sequence[DataRow], columns: Mapping[str, str], name: str, notes: Notes
) -> list[_Asked]:
    """Return the prompts of the rows, each once, with all that was answered to it.

    Rows that cannot be read, and those that seem to hold what is personal, are noted. Raises
    InputError where no row is left.
    """
    found: dict[str, _Asked] = {}
    for row in rows:
        try:
            one = _read(row, columns)
        except Wrong as wrong:
            notes.left_out.append(replace(wrong.problem, path=name, line=row.line))
            continue
        texts = [str(value) for value in row.values.values() if isinstance(value, str | list)]
        for what, pattern in _PERSONAL:
            if any(map(pattern.search, texts)):
                message = f"the row seems to hold {what}: nothing is taken out"
                notes.decide.append(Problem(message, name, row.line))
        known = found.setdefault(repr(one.said), one)
        if known is not one:
            known.good += [each for each in one.good if each not in known.good]
            known.bad += [each for each in one.bad if each not in known.bad]
    if not found:
        none = Problem("nothing in the file makes a case", name)
        raise InputError(*first_problems(notes.left_out or [none], name))
    return list(found.values())


def _read(row: DataRow, columns: Mapping[str, str]) -> _Asked:
    """Return what one row says. Raises Wrong."""
    values = {target: row.values.get(column) for target, column in columns.items()}
    said: dict[str, Any] = {}
    answer = values.get("answer")
    if "messages" in columns:
        turns = said_in(values["messages"])
        *before, (user, last) = turns.turns
        answer = answer if isinstance(answer, str) and answer.strip() else last
        if turns.system is not None:
            said["system"] = turns.system
        if before:
            said["examples"] = [{"user": asked, "assistant": text or ""} for asked, text in before]
        said["user"] = user
    else:
        system, user_text = values.get("system"), values.get("user")
        if not isinstance(user_text, str) or not user_text.strip():
            raise Wrong("the row has no text of a user", found=shown(user_text))
        if isinstance(system, str) and system.strip():
            said["system"] = system
        said["user"] = user_text
    key = values.get("id")
    one = _Asked(row.line, said, f"row-{row.line}" if key in (None, "") else name_of(key))
    if values.get("tag") not in (None, ""):
        one.tag = name_of(values["tag"])
    better = values.get("better")
    if isinstance(better, str) and better.strip():
        one.good.append(better)
    verdict = values.get("verdict")
    word = str(verdict).strip().lower() if verdict is not None else ""
    if isinstance(answer, str) and answer.strip():
        if word in _GOOD:
            one.good.append(answer)
        elif word in _BAD or (not word and one.good and answer != better):
            one.bad.append(answer)
        elif word:
            expected = "good or bad, up or down, true or false, 1 or 0"
            raise Wrong("the verdict is not known", found=shown(verdict), expected=expected)
    if not one.good and not one.bad:
        raise Wrong("nobody said whether the answer was good", found=shown(verdict))
    return one


def _passes(check: Mapping[str, Any], text: str) -> bool:
    return parse_check(dict(check))(Answer(text, text), Context()).passed is True


def _candidates(asked: _Asked) -> Iterator[dict[str, Any]]:
    """Yield checks that might tell the good answers from the bad ones, the strictest first."""
    good, bad = asked.good, asked.bad
    if good:
        own = check_of("auto", good[0], 0.4)
        if "chrf" not in own:
            yield own  # a number, a label or a JSON value
        yield {"json": {}}
    words = [[word.lower() for word in _WORD.findall(text)] for text in good]
    refused = [[word.lower() for word in _WORD.findall(text)] for text in bad]
    # what all good answers say and no bad one does: numbers and long words first
    shared = (
        set(words[0]).intersection(*words[1:]) - {w for each in refused for w in each}
        if words
        else set()
    )
    for word in sorted(shared, key=lambda each: (not each.isdigit(), -len(each), each))[:5]:
        if len(word) > 3 or word.isdigit():
            yield {"contains": {"text": word, "ignore_case": True, "whole_word": True}}
    spoken = (
        set(refused[0]).intersection(*refused[1:]) - {w for each in words for w in each}
        if refused
        else set()
    )
    if good:
        for word in sorted(spoken, key=lambda each: (not each.isdigit(), -len(each), each))[:5]:
            if len(word) > 3 or word.isdigit():
                inner = {"contains": {"text": word, "ignore_case": True, "whole_word": True}}
                yield {"not": inner}
        for bar in (0.8, 0.6, 0.4, 0.3):
            yield {"chrf": {"reference": good[:3], "min": bar}}


def _proposed(asked: _Asked) -> tuple[dict[str, Any], str]:
    """Return a check for a prompt, and what a person must decide, or an empty text."""
    if not asked.good:
        check = {"not": {"chrf": {"reference": asked.bad[:3], "min": 0.8}}}
        return valid(check), "no good answer: the check only refuses what is nearly the bad one"
    for candidate in _candidates(asked):
        try:
            check = valid(candidate)
        except Wrong:
            continue
        if all(_passes(check, text) for text in asked.good) and not any(
            _passes(check, text) for text in asked.bad
        ):
            if not asked.bad:
                return check, "no bad answer: nobody knows what the check must reject"
            return check, ""
    check = valid({"chrf": {"reference": asked.good[:3], "min": 0.4}})
    return check, "no check that was tried tells the good answers from the bad ones: write one"


def _pair(asked: _Asked) -> dict[str, Any]:
    """Return a pair for training: the prompt, a good answer and a bad one."""
    said = asked.said
    prompt = [{"role": "system", "content": said["system"]}] if "system" in said else []
    for each in said.get("examples", ()):
        prompt.append({"role": "user", "content": each["user"]})
        prompt.append({"role": "assistant", "content": each["assistant"]})
    prompt.append({"role": "user", "content": said["user"]})
    chosen, rejected = (
        [{"role": "assistant", "content": text}] for text in (asked.good[0], asked.bad[0])
    )
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}
