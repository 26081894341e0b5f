"""The suite `json_validity` decides truly: recorded answers, and all that is next to right ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from harness.suites import Case, Turn
from tests.instruct.json_mutations import broken_texts, other_values
from tests.instruct.proving import Proof, Recorded, cases, proofs, prove, rows, useless

SUITE = "json_validity"


@cache
def _proofs() -> dict[str, Proof]:
    """The recorded answers, and those to the rows of the data files."""
    escapes = {f"escapes-{row['id']}": _escape(row["text"]) for row in rows("escapes")}
    repairs = {
        f"repair-{row['id']}": _repair(row["broken"], row["expected"]) for row in rows("broken")
    }
    return {**proofs(SUITE), **escapes, **repairs}


def _escape(text: str) -> Proof:
    """A text as one string: right with and without \\u escapes, wrong where characters change."""
    value = {"text": text, "lines": len(text.split("\n"))}
    right = [json.dumps(value), json.dumps(value, ensure_ascii=False, indent=2)]
    plain = f'{{"text": "{text}", "lines": {value["lines"]}}}'
    wrong = {
        "nothing escaped": plain if plain != right[1] else "",
        "with its brackets": json.dumps({**value, "text": f"<<<{text}>>>"}),
        "quotes changed": json.dumps({**value, "text": text.replace('"', "'") + "'"}),
        "escaped twice": json.dumps({**value, "text": json.dumps(text)[1:-1] + "\\"}),
        "a line too many": json.dumps({**value, "lines": len(text.split("\n")) + 1}),
    }
    return Proof.of_texts(right, {k: v for k, v in wrong.items() if not _is(v, value)})


def _repair(broken: str, value: Any) -> Proof:
    right = [json.dumps(value), json.dumps(value, ensure_ascii=False, indent=2)]
    return Proof.of_texts(
        right, {"not repaired": broken, "explained": f"{right[0]}\nI removed a comma."}
    )


def _is(text: str, value: Any) -> bool:
    try:
        return bool(json.loads(text) == value)
    except ValueError:
        return False


def _made(case: Case, proof: Proof) -> Iterator[Recorded]:
    """One turn of the right answer broken in form, or changed in value where that is fixed."""
    right = proof.right[0].responses
    for at, (turn, text) in enumerate(zip(case.turns, right, strict=True)):
        changes = [*broken_texts(text), *(other_values(text) if _is_fixed(turn) else ())]
        for what, other in changes:
            yield Recorded(f"turn {at + 1}: {what}", (*right[:at], other, *right[at + 1 :]))


def _is_fixed(turn: Turn) -> bool:
    """Whether a check gives the whole value."""
    wanted = (check.as_json().get("json_value") for check in turn.checks)
    return any(isinstance(w, dict) and w["path"] == "$" and "equals" in w for w in wanted)


def test_every_case_has_recorded_answers() -> None:
    """Each case has at least one right and one wrong answer, and no answer is left over."""
    assert set(_proofs()) == set(cases(SUITE))


@pytest.mark.parametrize("name", _proofs())
def test_right_answers_pass_and_wrong_ones_fail(name: str) -> None:
    """So do all answers that differ from the right one in one place or in form."""
    case, proof = cases(SUITE)[name], _proofs()[name]
    prove(case, Proof(proof.right, (*proof.wrong, *_made(case, proof))), useless(case))


def test_nearly_all_values_are_fixed() -> None:
    """Only a few cases leave the model to invent something; their schemas decide."""
    free = {name for name, case in cases(SUITE).items() if not all(map(_is_fixed, case.turns))}
    invented = {name for name in cases(SUITE) if name.endswith("-invented")}
    assert free == invented | {"turns-explain"}
