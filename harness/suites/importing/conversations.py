"""Rows of instructions with their answers, or of messages, as a suite.

`--map` says which column is what. Without it the usual columns are taken: `messages`
(`conversations`), or `instruction`, `input`, `output` and their like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.common import NUMBER_DIGITS, InputError, Problem, nearest, shown
from harness.common.reading import parse_json
from harness.suites.importing.source import (
    Imported,
    Rows,
    Wrong,
    name_of,
    read_cases,
    rows_of,
    text_of,
    valid,
)
from harness.suites.rows import DataRow

# Names of speakers, as data sets write them.
_ROLES = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant"}


@dataclass(frozen=True)
class Said:
    """What one row says: the system prompt, and user texts with the answers given, if any."""

    system: str | None
    turns: tuple[tuple[str, str | None], ...]


def said_in(messages: object) -> Said:
    """Return the turns of a list of messages (`role` and `content`, or `from` and `value`).

    One system message may come first; user and assistant take turns. Raises Wrong.
    """
    if not isinstance(messages, list) or not messages:
        raise Wrong("the messages are no list", found=shown(messages))
    spoken = []
    for message in messages:
        if not isinstance(message, Mapping):
            raise Wrong("a message is a mapping", found=shown(message))
        role: Any = message.get("role", message.get("from"))
        text: Any = message.get("content", message.get("value"))
        role = _ROLES.get(role, role) if isinstance(role, str) else role
        if role not in ("system", "user", "assistant"):
            raise Wrong("a speaker is system, user or assistant", found=shown(role))
        if not isinstance(text, str) or not text.strip():
            raise Wrong("a message has no text", found=shown(text))
        spoken.append((role, text))
    system = spoken.pop(0)[1] if spoken[0][0] == "system" else None
    expected = [("user", "assistant")[at % 2] for at in range(len(spoken))]
    if not spoken or [role for role, _ in spoken] != expected:
        found = ", ".join(role for role, _ in spoken)[:200]
        raise Wrong("user and assistant do not take turns", found=found or "no turn")
    texts = [text for _, text in spoken]
    answers: list[str | None] = [*texts[1::2]]
    if len(answers) < len(texts[::2]):
        answers.append(None)
    return Said(system, tuple(zip(texts[::2], answers, strict=True)))


# `auto` takes the strictest check that a right answer in other words still passes.
CHECKS = ("auto", "equals", "contains", "numeric", "json", "chrf")
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?")
# A reference of so few words in one line is a label, a name or a date.
_LABEL_WORDS = 3


def check_of(name: str, reference: str, bar: float) -> dict[str, Any]:
    """Return the check `name` of `CHECKS` for a reference; `bar` is for chrF.

    Raises ValueError where the reference does not fit the check.
    """
    text = reference.strip()
    if not text:
        raise ValueError("the reference is empty")
    if name in ("auto", "numeric"):
        if _NUMBER.fullmatch(text):
            return {"numeric": {"equals": text}}
        if name == "numeric":
            raise ValueError("the reference is no number")
    if name == "json" or (name == "auto" and text[0] in "{["):
        try:
            return {"json_value": {"path": "$", "equals": _json(text)}}
        except ValueError:
            if name == "json":
                raise
    if name == "auto":
        if "\n" not in text and len(text.split()) <= _LABEL_WORDS and len(text) <= 40:
            # with or without a full stop, in any case
            return {"one_of": {"texts": [text, f"{text}."], "ignore_case": True}}
        name = "chrf"
    if name == "chrf":
        return {"chrf": {"reference": text, "min": bar}}
    return {name: {"text": text}}


def _json(text: str) -> Any:
    """Return the value of a JSON text that a data file can hold. Raises ValueError."""
    try:
        return parse_json(text, "", digits=NUMBER_DIGITS)
    except InputError as error:
        reason = "has too many levels" if "levels" in str(error) else "is no JSON text"
        raise ValueError(f"the reference {reason}") from None


TARGETS = ("messages", "system", "user", "input", "reference", "id", "cluster", "tag")
_USUAL = {
    "messages": ("messages", "conversations"),
    "system": ("system",),
    "user": ("instruction", "prompt", "question", "user"),
    "input": ("input", "context"),
    "reference": ("output", "response", "answer", "completion", "reference"),
    "id": ("id", "key"),
}


@dataclass(frozen=True)
class ImportOptions:
    """What the user chose: columns by target, how references are checked, and the bar for chrF."""

    columns: Mapping[str, str] = field(default_factory=dict)
    check: str = "auto"
    bar: float = 0.4


def parse_map(words: Sequence[str], targets: Sequence[str] = TARGETS) -> dict[str, str]:
    """`user=instruction,reference=output` as columns by target. Raises InputError."""
    columns: dict[str, str] = {}
    problems = []
    for pair in ",".join(words).split(",") if words else ():
        target, _, column = (part.strip() for part in pair.partition("="))
        if not column:
            wanted = "TARGET=COLUMN, like user=instruction"
            problems.append(Problem("--map cannot be read", found=shown(pair), expected=wanted))
        elif target not in targets:
            known, close = ", ".join(targets), nearest(target, targets)
            message = f"--map has no target {target!r}"
            problems.append(Problem(message, expected=known, did_you_mean=close))
        columns[target] = column
    if problems:
        raise InputError(*problems)
    return columns


def import_rows(
    path: Path, category: str, options: ImportOptions, *, skip: bool = False
) -> Imported:
    """Read the file as a suite of this category. Raises InputError with lines.

    `skip` leaves out the rows that are wrong.
    """
    rows = rows_of(path, (".jsonl", ".csv"))
    there = list({column: None for row in rows for column in row.values})
    columns = options.columns
    if not columns:
        usual = {
            target: next((name for name in names if name in there), "")
            for target, names in _USUAL.items()
        }
        if usual["messages"]:  # holds all that is said
            usual = {target: usual[target] for target in ("messages", "id")}
        columns = {target: column for target, column in usual.items() if column}
    # The columns must make a case, and some row must have each of them.
    name = path.as_posix()
    hint = "say which columns hold what: --map user=COLUMN,reference=COLUMN"
    wanted = ", ".join(there)
    problems = [
        Problem(
            f"no row has {column!r}", name, expected=wanted, did_you_mean=nearest(column, there)
        )
        for column in columns.values()
        if column not in there
    ]
    if "messages" not in columns and "user" not in columns:
        problems.append(Problem("no column is what the user says", name, found=wanted, hint=hint))
    elif "messages" not in columns and "reference" not in columns:
        problems.append(Problem("no column is the answer wanted", name, found=wanted, hint=hint))
    elif "messages" in columns and columns.keys() & {"user", "input", "reference", "system"}:
        problems.append(Problem("messages hold all that is said", name, hint="map nothing beside"))
    if problems:
        raise InputError(*problems)
    cases = read_cases(path, rows, lambda row: _case(row, columns, options), skip=skip)
    # Cases with the same keys and as many turns share a template, and a data file.
    shapes: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for case in cases.made:
        shapes.setdefault((len(case["turns"]), *case), []).append(case)
    families = []
    for number, alike in enumerate(shapes.values(), start=1):
        keys = [key for key in alike[0] if key not in ("turns", "tag")]
        template: dict[str, Any] = {key: f"{{{{ row.{key} }}}}" for key in keys}
        if "tag" in alike[0]:
            template["tags"] = ["{{ row.tag }}"]
        turns = [
            {key: f"{{{{ row.turns[{at}].{key} }}}}" for key in ("user", "checks")}
            for at in range(len(alike[0]["turns"]))
        ]
        template |= turns[0] if len(turns) == 1 else {"turns": turns}
        families.append(Rows(template, tuple(alike), f"-{number}" if len(shapes) > 1 else ""))
    return Imported(
        category=category,
        description=f"Rows of {path.name}.",
        families=tuple(families),
        sampling={"temperature": 0, "max_new_tokens": 512},
        left_out=cases.left_out,
    )


def _case(row: DataRow, columns: Mapping[str, str], options: ImportOptions) -> dict[str, Any]:
    """Return the row of the new data file: `id`, `turns`, and `system`, `cluster` or `tag`."""
    values = row.values
    if "messages" in columns:
        said = said_in(values.get(columns["messages"]))
    else:
        user = text_of(values, columns["user"])
        more = values.get(columns.get("input", ""))
        if isinstance(more, str) and more.strip():
            user = f"{user}\n\n{more}"
        system = values.get(columns.get("system", ""))
        answer = text_of(values, columns["reference"])
        said = Said(system if isinstance(system, str) else None, ((user, answer),))
    turns: list[dict[str, Any]] = []
    for user, reference in said.turns:
        checks = []
        if reference is not None:
            try:
                checks = [valid(check_of(options.check, reference, options.bar))]
            except ValueError as error:
                message = f"{options.check} cannot be checked: {error}"
                raise Wrong(message, found=shown(reference)) from None
        turns.append({"user": user, "checks": checks})
    if not any(turn["checks"] for turn in turns):
        raise Wrong("no answer is given that could be wanted")
    given = values.get(columns.get("id", ""))
    case = {"id": f"row-{row.line}" if given is None else name_of(given)}
    if "cluster" in columns:
        case["cluster"] = str(values.get(columns["cluster"]) or case["id"])
    if "tag" in columns:
        case["tag"] = name_of(values.get(columns["tag"]))
    if said.system is not None:
        case["system"] = said.system
    return {**case, "turns": turns}
