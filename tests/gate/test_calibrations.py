"""Calibration files: written, read, refused; where a judge stands, and what a gate makes of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from harness.common import GateSettings, InputError, VariantRole, digest
from harness.gate import (
    agree,
    calibration_name,
    decide,
    load_calibration,
    load_calibrations,
    save_calibration,
    standing_of,
)
from harness.results import (
    Agreement,
    Calibration,
    CalibrationRow,
    Estimate,
    JudgeIdentity,
    JudgeStanding,
    Outcome,
    Result,
    SuiteInfo,
    Verdict,
)

IDENTITY = JudgeIdentity(
    kind="judge",
    version=1,
    model="judge-7b",
    weights="aaaaaaaaaaaa",
    environment={"engine": "vllm", "version": "0.11.0"},
    sampling={"temperature": 0.0, "max_new_tokens": 1024},
    grade="rating",
    minimum=4,
    rubrics={"r1": "It is polite.", "r2": "It is kind."},
)
LABELS = ("pass", "fail")


@cache
def labelled() -> tuple[tuple[CalibrationRow, ...], Agreement]:
    """Fifty passing and fifty failing answers, of which the judge has 45 right each."""
    rows = tuple(
        CalibrationRow(f"{label}{n}", f"{label}{n}", {"anna": label}, said if n >= 45 else label)
        for label, said in (("pass", "fail"), ("fail", "pass"))
        for n in range(50)
    )
    return rows, agree(rows, LABELS)


def calibration(**identity: Any) -> Calibration:
    """A calibration of a judge with this identity."""
    rows, scale = labelled()
    return Calibration(
        identity=replace(IDENTITY, **identity),
        name="",
        made="2026-11-29T12:00:00+00:00",
        harness_version="1",
        source="labels.jsonl",
        answers=100,
        groups=100,
        raters=1,
        scale=scale,
        decision=None,
        by_rater=(),
        length=Estimate(0.05, -0.1, 0.2, 100),
        position=None,
        consistency=None,
        rows=rows,
    )


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "new" / "judge.json"
    save_calibration(path, calibration())

    assert load_calibration(path) == calibration()
    assert load_calibrations(path.parent) == {"judge.json": calibration()}
    assert load_calibrations(tmp_path / "none") == {}
    lines = path.read_text().splitlines()
    assert sum('"answer": "pass' in line for line in lines) == 50  # a line each


def test_the_name_is_that_of_judge_and_rubrics() -> None:
    name = calibration_name(calibration())

    assert name.startswith("judge-default-") and name.endswith(".json")
    assert calibration_name(calibration(weights="b")) == name
    assert calibration_name(calibration(rubrics={"r3": "Short."})) != name
    assert calibration_name(calibration(kind="refuses")) == "refuses.json"


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    """A change of the JSON by hand: the digest is then not that of the content."""

    def edit(text: str) -> str:
        content = json.loads(text)
        change(content)
        return json.dumps(content)

    return edit


BAD = {
    "a figure that was edited": (
        edited(lambda c: c["scale"]["kappa"].update(low=0.99)),
        ("the calibration was changed after it was made", "restore the file, or make it again"),
    ),
    "a label that was edited": (
        edited(lambda c: c["rows"][0].update(judge="fail")),
        ("the calibration was changed after it was made",),
    ),
    "no digest": (
        edited(lambda c: c.pop("digest")),
        ("the calibration was changed after it was made",),
    ),
    "another version": (
        edited(lambda c: c.update(schema_version=2)),
        ("another format version", "found: 2", "expected: 1", "harness judge calibrate"),
    ),
    "a baseline": (
        lambda text: json.dumps({"format": "harness-baseline"}),
        ("this is not a calibration of a judge", "expected: a file that `harness judge calibrate`"),
    ),
    "no JSON": (lambda text: text[:40], ("the calibration is not whole JSON",)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_none_is_refused_with_its_place(name: str, tmp_path: Path) -> None:
    change, expected = BAD[name]
    path = tmp_path / "judge.json"
    save_calibration(path, calibration())
    path.write_text(change(path.read_text()))

    with pytest.raises(InputError) as caught:
        load_calibrations(tmp_path)

    told = str(caught.value)
    assert str(path) in told
    for part in expected:
        assert part in told


def test_a_table_of_another_shape_is_refused_though_its_digest_is_right(tmp_path: Path) -> None:
    path = tmp_path / "judge.json"
    save_calibration(path, calibration())
    content = json.loads(path.read_text())
    content["scale"]["table"].append([0.0, 0.0])
    del content["digest"]
    path.write_text(json.dumps({**content, "digest": digest(content)}))

    with pytest.raises(InputError, match="scale: a table of 2 labels has as many rows and columns"):
        load_calibration(path)


DIFFERENCES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "nothing": ({}, ()),
    "a part of the rubrics": ({"rubrics": {"r2": "It is kind."}}, ()),
    "another folder of the same model": ({"model": "elsewhere"}, ()),
    "model": ({"weights": "bbbbbbbbbbbb"}, ("model (weights aaaaaaaa → weights bbbbbbbb)",)),
    "named model": (
        {"weights": "b", "model": "judge-14b"},
        ("model (judge-7b → judge-14b)",),
    ),
    "environment": (
        {"environment": {"engine": "vllm", "version": "0.12.0"}},
        ("environment (version 0.11.0 → 0.12.0)",),
    ),
    "sampling": (
        {"sampling": {"temperature": 0.7, "max_new_tokens": 1024}},
        ("sampling (temperature 0.0 → 0.7)",),
    ),
    "rubric": ({"rubrics": {"r3": "It is short."}}, ("rubric",)),
    "min": ({"minimum": 3}, ("min (4 → 3)",)),
    "grade": (
        {"grade": "correct", "minimum": None},
        ("grade (rating → correct)", "min (4 → none)"),
    ),
    "version": ({"version": 2}, ("version of the check (1 → 2)",)),
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_what_differs_from_the_calibration_is_named(name: str) -> None:
    change, expected = DIFFERENCES[name]
    known = {
        "old.json": calibration(weights="c", rubrics={}, version=9),
        "judge.json": calibration(),
    }

    standing = standing_of(replace(IDENTITY, **change), "", 0.6, known, "calibrations")

    assert standing.differs == expected
    assert standing.file == "calibrations/judge.json"  # the nearest of both
    assert standing.calibrated is not bool(expected)
    assert standing.enough is not bool(expected)
    same = replace(IDENTITY, **change).digest == IDENTITY.digest
    assert same is (name in ("nothing", "another folder of the same model"))


def test_a_calibration_of_another_kind_says_nothing() -> None:
    known = {"refuses.json": calibration(kind="refuses")}

    standing = standing_of(IDENTITY, "large", None, known, "calibrations")

    assert (standing.file, standing.calibrated, standing.enough) == ("", False, True)


SURE = JudgeStanding("judge", "", "It is polite.", 1, 0.6, "c.json", (), Estimate(0.8, 0.7, 0.9))
UNSURE = {
    "not calibrated": (
        replace(SURE, file="", kappa=Estimate()),
        "judge default (It is polite.) is not calibrated against people, min_agreement is 0.6: "
        "harness judge calibrate",
    ),
    "it differs": (
        replace(SURE, differs=("rubric", "sampling (temperature 0.0 → 0.7)")),
        "judge default (It is polite.) is not as it was calibrated (c.json), min_agreement is 0.6: "
        "rubric, sampling (temperature 0.0 → 0.7) differs",
    ),
    "the bound is below": (
        replace(SURE, kappa=Estimate(0.8, 0.59, 0.9)),
        "judge default (It is polite.) agrees with people by kappa 0.80 (0.59 to 0.90): its lower "
        "95 % bound is below min_agreement, 0.6",
    ),
    "nobody knows": (
        replace(SURE, kind="prefer", judge="large", kappa=Estimate(reason="3 cases")),
        "nobody can tell how far judge large of answer against answer (It is polite.) agrees with "
        "people, min_agreement is 0.6: 3 cases",
    ),
}


def verdict(
    base: str, new: str, *judged: JudgeStanding, **gate: Any
) -> tuple[Verdict | None, tuple[str, ...]]:
    """Judge a candidate; each text has a letter for each case: p(ass), f(ail) or e(rror)."""
    outcomes = {"p": Outcome.PASS, "f": Outcome.FAIL, "e": Outcome.ERROR}
    results = [
        Result("s", "c", f"case{n}", name, 0, outcomes[said], float(said == "p"), ("x",))
        for name, all_said in (("base", base), ("new", new))
        for n, said in enumerate(all_said)
    ]
    suite = SuiteInfo("s", "c", "", "", GateSettings(**gate), len(new), len(new), judged=judged)
    roles = {"base": VariantRole.BASELINE, "new": VariantRole.CANDIDATE}
    report = decide(
        results, [suite], roles if base else {"new": roles["new"]}, "base" if base else None
    )
    (row,) = (row for row in report.suites if row.variant == "new")
    assert row.distrusted is (
        row.verdict is Verdict.INCONCLUSIVE and not all(j.enough for j in judged)
    )
    return row.verdict, row.reasons


# The verdict without a judge; with one whose agreement is not shown it is open instead of a pass.
WORLDS: dict[str, tuple[str, str, dict[str, Any], Verdict | None]] = {
    "a pass": ("p" * 60, "p" * 60, {}, Verdict.PASS),
    "a pass by its bar": ("", "p" * 60, {"min_pass_rate": 0.9}, Verdict.PASS),
    "a pass of the strict policy": (
        "p" * 200,
        "p" * 200,
        {"policy": "non_inferiority", "max_drop": 0.1},
        Verdict.PASS,
    ),
    "error": ("p" * 60, "p" * 59 + "e", {}, Verdict.ERROR),
    "regressed": ("p" * 60, "f" * 30 + "p" * 30, {}, Verdict.REGRESSED),
    "below": ("", "f" * 30 + "p" * 30, {"min_pass_rate": 0.9}, Verdict.BELOW_THRESHOLD),
    "inconclusive": (
        "p" * 20,
        "p" * 20,
        {"policy": "non_inferiority", "max_drop": 0.02},
        Verdict.INCONCLUSIVE,
    ),
    "nothing is decided": ("", "p" * 60, {}, None),
}


@pytest.mark.parametrize("name", WORLDS)
def test_only_a_pass_becomes_inconclusive(name: str) -> None:
    base, new, gate, alone = WORLDS[name]

    assert verdict(base, new, **gate)[0] is alone
    assert verdict(base, new, SURE, **gate)[0] is alone
    for judge, reason in UNSURE.values():
        found, reasons = verdict(base, new, SURE, judge, **gate)
        assert found is (Verdict.INCONCLUSIVE if alone is Verdict.PASS else alone)
        if alone is Verdict.PASS:
            assert reasons[0] == reason
        undemanding = replace(judge, min_agreement=None)
        assert verdict(base, new, undemanding, **gate)[0] is alone
