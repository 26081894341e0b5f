"""The table of docs/export.md, read and applied: which value of a scorecard is where in an export.

A cell is a path: names with dots between them, `[]` for the row of the suite and variant in
question, `[0]` for a place in a list. Names in capitals stand for those of the run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.exports import TrackedRun

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
TRACKED = re.compile(r"(run|variant): (metric|param|tag) `([^`]+)`")


@dataclass(frozen=True)
class Field:
    """One row of the table; a cell is empty where a target has no place for the field."""

    what: str
    source: str
    tracker: str
    inspect: str
    lm_eval: str


def fields() -> list[Field]:
    """All rows of the table."""
    text = PAGE.read_text(encoding="utf-8").partition("## Which field goes where")[2]
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    end = next(n for n, row in enumerate(rows) if row[0].strip() == "what" and n)
    cells = [[cell.strip() for cell in row] for row in rows[2:end]]
    return [
        Field(what, plain(source), "" if tracker == "–" else tracker, plain(log), plain(results))
        for what, source, tracker, log, results in cells
    ]


def plain(cell: str) -> str:
    """The path of a cell; empty for a dash."""
    return "" if cell == "–" else cell.strip("`")


def names_of(document: Mapping[str, Any], suite: str, variant: str) -> Iterator[dict[str, str]]:
    """What the names in capitals may stand for, each with each, of one suite and variant."""
    row = category(document, suite, variant)
    (card,) = (each for each in document["variants"] if each["name"] == variant)
    tries = [str(each["k"]) for each in (*row["pass_at_k"], *row["pass_hat_k"])] or ["0"]
    measures = [each["measure"] for each in row["behaviour"]] or ["none"]
    longest = max(len(card["environment"]), len(tries), len(measures))
    for number in range(longest):
        keys = list(card["environment"]) or ["none"]
        yield {
            "SUITE": suite,
            "NAME": keys[number % len(keys)],
            "K": tries[number % len(tries)],
            "MEASURE": measures[number % len(measures)],
        }


def category(document: Mapping[str, Any], suite: str, variant: str) -> Any:
    """The row of a suite and variant."""
    (row,) = (
        row for row in document["categories"] if (row["suite"], row["variant"]) == (suite, variant)
    )
    return row


def look_up(value: Any, path: str, names: Mapping[str, str], suite: str, variant: str) -> Any:
    """What stands at this path; None where there is nothing."""
    for part in path.split("."):
        name, bracket, index = part.partition("[")
        name = filled(name, names)
        value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            return None
        inside = index.rstrip("]")
        if not bracket:
            continue
        if inside.isdigit():
            value = value[int(inside)] if int(inside) < len(value) else None
        else:
            wanted: dict[str, Any] = {"variants": {"name": variant}, "suites": {"name": suite}}.get(
                name, {"suite": suite, "variant": variant}
            )
            if inside == "K":
                wanted = {"k": int(names["K"])}
            if inside == "MEASURE":
                wanted = {"measure": names["MEASURE"]}
            fitting = [row for row in value if all(row[k] == v for k, v in wanted.items())]
            value = fitting[0] if fitting else None
    return value


def filled(text: str, names: Mapping[str, str]) -> str:
    """The text with what its names in capitals stand for."""
    for name, value in names.items():
        text = re.sub(rf"(?<![A-Z]){name}(?![A-Z])", lambda _, value=value: value, text)  # type: ignore[misc]  # bound here
    return text


def in_tracker(record: TrackedRun, variant: str, cell: str, names: Mapping[str, str]) -> Any:
    """What a tracker's record holds of a cell."""
    found = TRACKED.fullmatch(cell)
    (child,) = (each for each in record.children if each.name == variant)
    chosen = record if cell.startswith("run") else child
    if found is None:
        assert cell in ("run: note", "variant: note"), cell
        return chosen.note
    kind = {"metric": chosen.metrics, "param": chosen.params, "tag": chosen.tags}[found[2]]
    values: Mapping[str, Any] = kind
    return values.get(filled(found[3], names))


def agree(expected: Any, found: Any) -> bool:
    """Whether a target says what the scorecard says, in its own types."""
    if isinstance(expected, list) and isinstance(found, int | float):
        return len(expected) == found
    if expected in (None, "", {}, []):
        return found in (None, "", {}, [], "no verdict") or str(found).startswith("partial")
    if isinstance(found, int | float) and not isinstance(found, bool):
        return bool(found == expected)
    if isinstance(found, str) and not isinstance(expected, str):
        return bool(json.loads(found) == expected)
    return bool(found == expected) or (isinstance(found, str) and expected in found)
