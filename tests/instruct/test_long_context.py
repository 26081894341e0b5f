"""The suite `long_context` decides truly on answers made from the facts of each case."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from harness.suites import Haystack
from suites.instruct.data import make_documents
from tests.instruct.proving import SUITES, Proof, cases, prove, rows, useless

SUITE = "long_context"
# Families of cases: the file, the question's name in its rows, and how its answers are made.
FAMILIES = {
    "log-lookup": ("depot_log", "lookup"),
    "log-next": ("depot_log", "next"),
    "log-count": ("depot_log", "count"),
    "log-sum": ("depot_log", "sum"),
    "log-most": ("depot_log", "most"),
    "log-last": ("depot_log", "last"),
    "log-absent": ("depot_log", "absent"),
    "log-absent-pair": ("depot_log", "absent_pair"),
    "regeln-geaendert": ("house_rules", "amended"),
    "regeln-unveraendert": ("house_rules", "unchanged"),
    "regeln-anzahl": ("house_rules", "count"),
    "regeln-fehlt": ("house_rules", "absent"),
    "diario-precio": ("travel_diary", "price"),
    "diario-siguiente": ("travel_diary", "after"),
    "diario-suma": ("travel_diary", "sum"),
    "diario-falta": ("travel_diary", "absent"),
    "zhang-holder": ("tool_ledger", "holder"),
    "zhang-count": ("tool_ledger", "count"),
    "zhang-absent": ("tool_ledger", "absent"),
}
MISSING = {
    "depot_log": "not mentioned",
    "house_rules": "nicht erwähnt",
    "travel_diary": "no se menciona",
    "tool_ledger": "未提及",
}


@cache
def _proofs() -> dict[str, Proof]:
    """Right and wrong answers of all cases, documents and haystacks."""
    found = {}
    for family, (name, question) in FAMILIES.items():
        for row in rows(name):
            found[f"{family}-{row['id']}"] = _of_question(row[question], MISSING[name])
    for case in cases(SUITE).values():
        if case.haystack:
            found[case.id] = _of_haystack(case.haystack)
    return found


def _of_question(asked: dict[str, Any], missing: str) -> Proof:
    answer, others = asked["answer"], asked["others"]
    if answer == missing:
        return _absent(missing)
    return _number(answer, missing) if isinstance(answer, int) else _name(answer, others, missing)


def _number(answer: int, missing: str) -> Proof:
    right = [f"{answer}", f"**{answer}**", f"The answer is {answer}.", f"{answer}\n"]
    wrong = [f"{answer + 1}", f"{answer - 1}", f"{answer}1", f"1{answer}", f"-{answer + 3}"]
    return Proof.of_texts(right, [*wrong, f"{answer}.5", f"{answer} or {answer + 1}", missing])


def _name(answer: str, others: list[str], missing: str) -> Proof:
    right = [answer, f"**{answer}**", f"{answer}.", f"“{answer}”"]
    wrong = [*others[:8], f"{answer} / {others[0]}", f"{others[-1]}, {answer}", missing]
    return Proof.of_texts(right, wrong)


def _absent(missing: str) -> Proof:
    right = [missing, f"{missing}.", f"**{missing}**", f'"{missing.capitalize()}"']
    return Proof.of_texts(
        right, ["24", "Amber", "王芳", "17:10", f"{missing}: 24", f"24 ({missing})"]
    )


def _of_haystack(haystack: Haystack) -> Proof:
    if haystack.task == "multivalue":
        return _multivalue(haystack.values)
    (value,) = haystack.values
    decoys = re.findall(r"\d{7}", " ".join(haystack.distractors))
    wrong = [*decoys[:5], *(f"{value}, {decoy}" for decoy in decoys[:2])]
    right = [value, f"The number is {value}.", f"**{value}**"]
    if len(value) == 7:
        right.append(f"{int(value):,}")
        wrong += [value[:-1], value[1:], value[::-1] + "0", value[:3] + " and " + value[3:]]
    wrong += [f"{int(value) + 1}", f"{value}1", f"1{value}", f"{value}.5", "not mentioned"]
    return Proof.of_texts(right, [*wrong, f"{value} or {int(value) + 1}"])


def _multivalue(values: tuple[str, ...]) -> Proof:
    listed = ", ".join(values)
    right = [listed, "\n".join(f"- {value}" for value in reversed(values)), f"They are {listed}."]
    guesses = ", ".join([*values, "1234567"])
    one_off = ", ".join([*values[:-1], str(int(values[-1]) + 1)])
    joined = "".join(values)
    wrong = [", ".join(values[:-1]), ", ".join(values[1:]), values[0], one_off, joined, guesses]
    return Proof.of_texts(right, wrong)


def test_every_case_has_answers() -> None:
    """Each case, generated or from a file, has right and wrong answers."""
    assert set(_proofs()) == set(cases(SUITE))


@pytest.mark.parametrize("name", _proofs())
def test_right_answers_pass_and_wrong_ones_fail(name: str) -> None:
    case = cases(SUITE)[name]
    prove(case, _proofs()[name], useless(case))


def test_the_documents_are_those_of_the_script(tmp_path: Path) -> None:
    """Anybody can make them again, byte for byte."""
    make_documents.write(tmp_path)
    for name in make_documents.FILES:
        assert (tmp_path / name).read_bytes() == (SUITES / "data" / name).read_bytes()


# -- the answers, computed again from the texts alone ----------------------------------------------

_ENTRY = re.compile(
    r"Day (\d+), (\S+) \| dock (\w+), van (\d+) \| (\d+) crates of (\w+) \| seal (broken|intact)",
    re.I,
)


@pytest.mark.parametrize("row", rows("depot_log"), ids=lambda row: str(row["id"]))
def test_log_answers_follow_from_the_log(row: dict[str, Any]) -> None:
    """Read from the text line by line, by a second program."""
    entries = [_ENTRY.fullmatch(line) for line in row["document"].splitlines()]
    log = [entry.groups() for entry in entries if entry]
    assert len(log) == len(entries) == int(row["id"])
    assert row["count"]["answer"] == sum(seal == "BROKEN" for *_, seal in log)
    assert row["sum"]["answer"] == sum(int(e[4]) for e in log if e[5] == "quinces") > 0
    most = [entry for entry in log if int(entry[4]) == max(int(e[4]) for e in log)]
    assert [int(entry[3]) for entry in most] == [row["most"]["answer"]]
    van = _numbers(row["last"]["question"])[0]
    assert row["last"]["answer"] == [e[2] for e in log if e[3] == van][-1]
    day, clock = re.findall(r"day (\d+), (\S+)\?", row["next"]["question"])[0]
    at = [n for n, entry in enumerate(log) if entry[:2] == (day, clock)]
    assert row["next"]["answer"] == log[at[0] + 1][5] and len(at) == 1
    assert _loads(log, row["lookup"]) == [row["lookup"]["answer"]]
    assert _loads(log, row["absent_pair"]) == []
    assert _numbers(row["absent"]["question"])[0] not in {entry[3] for entry in log}


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+", text)


def _loads(log: list[tuple[str, ...]], asked: dict[str, Any]) -> list[int]:
    van, dock = re.findall(r"van (\d+) unload at dock (\w+)", asked["question"])[0]
    return [int(entry[4]) for entry in log if (entry[2], entry[3]) == (dock, van)]


@pytest.mark.parametrize("row", rows("house_rules"), ids=lambda row: str(row["id"]))
def test_rule_answers_follow_from_the_rules(row: dict[str, Any]) -> None:
    """The last time that is given for a room is the one that holds."""
    first = re.findall(r"§ \d+ (\w+)\. Dieser Bereich schließt um (\S+) Uhr", row["document"])
    changed = re.findall(r"§ \d+ \((\w+)\) gilt als Schließzeit nunmehr (\S+) Uhr", row["document"])
    now = {**dict(first), **dict(changed)}
    assert row["amended"]["answer"] == now[_last_word(row["amended"])]
    assert _last_word(row["amended"]) in dict(changed)
    assert row["unchanged"]["answer"] == now[_last_word(row["unchanged"])]
    assert _last_word(row["unchanged"]) not in dict(changed)
    assert row["count"]["answer"] == len(dict(changed))
    assert _last_word(row["absent"]) not in row["document"]


def _last_word(asked: dict[str, Any]) -> str:
    return str(asked["question"]).rstrip("?").split()[-1]


@pytest.mark.parametrize("row", rows("travel_diary"), ids=lambda row: str(row["id"]))
def test_diary_answers_follow_from_the_diary(row: dict[str, Any]) -> None:
    """Each town is reached once, and its price is in the same line."""
    days = re.findall(r"Llegué a (\w+) y pagué (\d+) euros", row["document"])
    towns, price = [town for town, _ in days], {town: int(euros) for town, euros in days}
    assert len(price) == len(days) == int(row["id"])
    assert row["price"]["answer"] == price[_last_word(row["price"])]
    assert row["after"]["answer"] == towns[towns.index(_last_word(row["after"])) + 1]
    assert row["sum"]["answer"] == sum(price[t] for t in towns if t in _words(row["sum"]))
    assert _last_word(row["absent"]) not in price


def _words(asked: dict[str, Any]) -> Iterator[str]:
    return iter(re.findall(r"\w+", asked["question"]))


@pytest.mark.parametrize("row", rows("tool_ledger"), ids=lambda row: str(row["id"]))
def test_ledger_answers_follow_from_the_ledger(row: dict[str, Any]) -> None:
    """The last entry of a tool says who has it."""
    moves = re.findall(r"：(\w+)交给(\w+)保管", row["document"])
    holder = re.findall(r"，(\w+)现在", row["holder"]["question"])[0]
    assert row["holder"]["answer"] == dict(moves)[holder]
    counted = re.findall(r"(\w+)一共", row["count"]["question"])[0]
    assert row["count"]["answer"] == sum(tool == counted for tool, _ in moves)
    assert re.findall(r"，(\w+)现在", row["absent"]["question"])[0] not in row["document"]
