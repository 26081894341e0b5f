"""The table of docs/export.md is true, and it is whole: nothing else goes out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.config import load_settings
from harness.evaluation import reopen
from harness.exports import RunExport, TrackedRun, tracked_runs
from harness.reports import publish
from harness.store import Remark, Store, remark_of
from tests.exports.fields import TRACKED, agree, fields, filled, in_tracker, look_up, names_of
from tests.recorded_project import recorder, write_project

TRIES = """
suite: tries
category: c
gate: {on: pass@2}
defaults: {repeats: 2, sampling: {temperature: 0.5}, tags: [more]}
cases:
""" + "".join(f"  - {{id: t{n}, user: Say red., checks: [{{contains: red}}]}}\n" for n in range(4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a run that has a label, a note, two suites and tries; it is left as it is."""
    here = tmp_path_factory.mktemp("exported")
    write_project(here)
    recorder(here)({"base": "++++++++++++", "new": "+++++++-----"})
    (here / "suites" / "tries.yaml").write_text(TRIES)
    rows = [
        {"case": f"t{n}", "variant": v, "repeat": r, "response": "red" if n or r else "blue"}
        for n in range(4)
        for v in ("base", "new")
        for r in (0, 1)
    ]
    with (here / "answers.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        assert main(["run", "--label", "first", "--note", "before\nthe change"]) == 1
        assert main(["export", "--to", "inspect", "--into", "inspect"]) == 0
        assert main(["export", "--to", "lm-eval", "--into", "lm-eval"]) == 0
    return here


@pytest.fixture(scope="module")
def document(folder: Path) -> dict[str, Any]:
    text = next(folder.glob("reports/2*/scorecard.json")).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    with Store(folder / ".harness" / "store.db") as store:
        remark = remark_of(store, found["run"]["id"])
    assert remark == Remark("first", "before\nthe change")
    found["remark"] = {"label": remark.label, "note": remark.note}
    return found


@pytest.fixture(scope="module")
def record(folder: Path) -> TrackedRun:
    settings = load_settings(folder)
    with Store(folder / ".harness" / "store.db") as store:
        info = store.runs()[0]
        remark = remark_of(store, info.id)
    report = reopen(settings, info.id)
    export = RunExport(publish(report.scorecard), report.results, report.paths, remark)
    return tracked_runs(export)


def rows(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(row["suite"], row["variant"]) for row in document["categories"]]


def test_trackers_get_what_the_table_says(document: dict[str, Any], record: TrackedRun) -> None:
    compared = 0
    for suite, variant in rows(document):
        for names in names_of(document, suite, variant):
            for field in fields():
                expected = look_up(document, field.source, names, suite, variant)
                found = in_tracker(record, variant, field.tracker, names)
                assert agree(expected, found), (field, suite, variant, expected, found)
                compared += expected is not None
    assert compared > 300


def test_trackers_get_nothing_else(document: dict[str, Any], record: TrackedRun) -> None:
    listed: dict[tuple[str, str], set[str]] = {}
    for suite, variant in rows(document):
        for names in names_of(document, suite, variant):
            for field in fields():
                if found := TRACKED.fullmatch(field.tracker):
                    listed.setdefault((found[1], found[2]), set()).add(filled(found[3], names))
    shared = {"harness.run", "harness.version", "harness.signature", "label"}
    for who, each in [("run", record), *(("variant", child) for child in record.children)]:
        assert set(each.metrics) <= listed[who, "metric"]
        assert set(each.params) <= listed[who, "param"]
        assert set(each.tags) <= listed[who, "tag"] | shared
    assert [path.name for path in record.files] == [
        "scorecard.json",
        "summary.md",
        "scorecard.html",
    ]


def test_inspect_gets_what_the_table_says(document: dict[str, Any], folder: Path) -> None:
    logs = [json.loads(path.read_text("utf-8")) for path in (folder / "inspect").glob("*.json")]
    known = {(log["eval"]["task"], log["eval"]["metadata"]["variant"]): log for log in logs}
    assert set(known) == set(rows(document))
    for suite, variant in rows(document):
        log = known[suite, variant]
        for names in names_of(document, suite, variant):
            for field in fields():
                if field.inspect:
                    expected = look_up(document, field.source, names, suite, variant)
                    found = look_up(log, field.inspect, names, suite, variant)
                    assert agree(expected, found), (field, suite, variant, expected, found)


def test_lm_eval_gets_what_the_table_says(document: dict[str, Any], folder: Path) -> None:
    for suite, variant in rows(document):
        (path,) = (folder / "lm-eval" / variant).glob("results_*.json")
        results = json.loads(path.read_text("utf-8"))
        for names in names_of(document, suite, variant):
            for field in fields():
                if field.lm_eval:
                    expected = look_up(document, field.source, names, suite, variant)
                    found = look_up(results, field.lm_eval, names, suite, variant)
                    assert agree(expected, found), (field, suite, variant, expected, found)
        assert [row["suite"] for row in results["harness"]["categories"]] == ["colours", "tries"]


def test_samples_hold_prompts_answers_and_outcomes(folder: Path) -> None:
    (path,) = (folder / "inspect").glob("*_tries-new_*.json")
    samples = json.loads(path.read_text("utf-8"))["samples"]
    assert [(s["id"], s["epoch"], s["scores"]["harness"]["value"]) for s in samples[:3]] == [
        ("t0", 1, "I"),
        ("t0", 2, "C"),
        ("t1", 1, "C"),
    ]
    assert samples[0]["input"] == [{"role": "user", "content": "Say red."}]
    assert samples[0]["output"]["completion"] == "blue"
    assert samples[0]["scores"]["harness"]["explanation"] == "contains: 'red' not found"

    (path,) = (folder / "lm-eval" / "new").glob("samples_tries_*.jsonl")
    first = json.loads(path.read_text("utf-8").splitlines()[0])
    assert first["doc"]["messages"] == [{"role": "user", "content": "Say red."}]
    assert (first["doc"]["id"], first["resps"], first["pass_rate"]) == (
        "t0",
        [["blue", "red"]],
        0.5,
    )
    assert all(re.fullmatch("[0-9a-f]{64}", first[n]) for n in ("doc_hash", "prompt_hash"))
