"""Logs of inspect_ai become suites and recorded answers."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow
import pytest

from harness.backends import check_rows
from harness.suites.importing import Imported, import_inspect
from tests.suites.importing.projects import checks_of, lines, put, told, written


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sample(answer: Any, target: Any = "Paris", score: Any = "C", **more: Any) -> dict[str, Any]:
    asked = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Capital?"}]
    said = {"role": "assistant", "content": answer}
    output = {
        "choices": [{"message": said, "stop_reason": "max_tokens"}],
        "usage": {"input_tokens": 7, "output_tokens": 2},
    }
    scores = {"match": {"value": score}}
    row = {"id": 1, "epoch": 1, "input": "Capital?", "target": target, "scores": scores}
    return {**row, "messages": [*asked, said], "output": output, **more}


def log(*samples: Any, scorers: Any = None, **more: Any) -> dict[str, Any]:
    run = {"task": "capitals", "model": "mockllm/model", "scorers": scorers or [{"name": "match"}]}
    config = {"temperature": 0.5, "max_tokens": 9, "max_connections": 4, "num_beams": 2}
    return {
        "version": 2,
        "status": "success",
        "eval": {**run, "model_generate_config": config},
        "samples": list(samples) or [sample("(Paris).")],
        **more,
    }


def imported(value: Any, scorer: str = "") -> Imported:
    put({"log.json": value})
    return import_inspect(Path("log.json"), scorer=scorer)


def archived(value: dict[str, Any], *, packed: str = "deflate") -> Path:
    """Write a log as inspect_ai packs it: deflated, or since 2026 with Zstandard."""
    header = {key: part for key, part in value.items() if key != "samples"}
    entries = {"header.json": header, "summaries.json": []}
    for each in value["samples"]:
        entries[f"samples/{each['id']}_epoch_{each['epoch']}.json"] = each
    path = Path("log.eval")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            data = json.dumps(content).encode()
            if packed == "deflate":
                archive.writestr(name, data)
            else:  # stored as it is, and the number of the method set by hand below
                packed_data = pyarrow.compress(data, codec="zstd", asbytes=True)
                archive.writestr(zipfile.ZipInfo(name), packed_data)
    if packed == "zstd":
        raw = bytearray(path.read_bytes())
        for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
            place = raw.find(mark)
            while place >= 0:
                raw[place + at : place + at + 2] = (93).to_bytes(2, "little")
                place = raw.find(mark, place + 4)
        path.write_bytes(bytes(raw))
    return path


def test_a_log_becomes_a_suite_and_recorded_answers() -> None:
    made = imported(log(sample("(Paris)."), sample("Rome", score="I", epoch=2)))
    suite = written(made)

    (case,) = suite.cases
    assert (case.id, case.system, case.repeats) == ("sample-1", "Be short.", 2)
    assert case.turns[0].user == "Capital?"
    assert (case.sampling.temperature, case.sampling.max_new_tokens) == (0.5, 9)
    ended = {"finish_reason": "length", "prompt_tokens": 7, "completion_tokens": 2}
    assert made.answers == (
        {"case": "sample-1", "response": "(Paris).", **ended},
        {"case": "sample-1", "repeat": 1, "response": "Rome", **ended},
    )
    assert made.confirmed == "The checks judge 2 of 2 recorded answers as inspect_ai did."
    check_rows(Path("out-answers.jsonl"), {"sample-1": 1})
    assert lines(made) == [
        "log.json: the setting 'num_beams' of the model has no counterpart; found 2"
    ]


@pytest.mark.parametrize("packed", ["deflate", "zstd"])
def test_an_archive_is_read_as_well(packed: str) -> None:
    path = archived(log(sample("Paris"), sample("Rome", score="I", id="b/c")), packed=packed)
    suite = written(import_inspect(path))
    assert [case.id for case in suite.cases] == ["sample-1", "sample-b-c"] or len(suite.cases) == 1


# A scorer, the target of the sample, the check that it becomes, answers that pass and fail.
SCORERS: tuple[tuple[Any, Any, Any, str, str], ...] = (
    (
        {"name": "match"},
        "Paris",
        {"references": ["Paris"], "ignore": ["case", "edges"], "where": "end"},
        "It is (paris).",
        "Paris, France",
    ),
    (
        {"name": "inspect_ai/match", "options": {"location": "begin", "ignore_case": False}},
        ["Paris", "Rome"],
        {"references": ["Paris", "Rome"], "ignore": ["edges"], "where": "begin"},
        "Rome it is",
        "rome it is",
    ),
    (
        {"name": "match", "options": {"location": "exact"}},
        "Paris",
        {"references": ["Paris"], "ignore": ["case", "edges"], "where": "equal"},
        "paris.",
        "It is Paris",
    ),
    (
        {"name": "exact"},
        "The Paris",
        {"references": ["The Paris"], "ignore": ["case", "punctuation", "articles", "spaces"]},
        "paris!",
        "to paris",
    ),
    (
        {"name": "pattern", "options": {"pattern": r"A: (\w+)"}},
        "Paris",
        {
            "references": ["Paris"],
            "filters": [{"regex": r"A: (\w+)", "ignore_case": True}],
            "ignore": ["case"],
        },
        "a: paris and more",
        "Paris",
    ),
)


@pytest.mark.parametrize(("scorer", "target", "check", "passes", "fails"), SCORERS)
def test_a_scorer_becomes_a_check(
    scorer: Any, target: Any, check: Any, passes: str, fails: str
) -> None:
    name = scorer["name"]
    rows = [
        sample(passes, target, scores={name: {"value": "C"}}),
        sample(fails, target, scores={name: {"value": "I"}}, epoch=2),
    ]
    made = imported(log(*rows, scorers=[scorer]))
    assert checks_of(written(made))["sample-1"] == [{"normalized_match": check}]
    assert made.confirmed == "The checks judge 2 of 2 recorded answers as inspect_ai did."


def test_answers_after_a_mark_choices_and_numbers_are_judged_alike() -> None:
    cases: tuple[tuple[Any, Any, str, str], ...] = (
        ({"name": "answer", "options": {"pattern": "letter"}}, "B", "ANSWER: b", "ANSWER: C"),
        ({"name": "answer", "options": {"pattern": "word"}}, "yes", "So\nANSWER: Yes.", "yes"),
        ({"name": "answer", "options": {"pattern": "line"}}, "a b", "ANSWER: A b\n", "a b"),
        ({"name": "choice"}, "B", "ANSWER: B", "ANSWER: A, B"),
        ({"name": "choice"}, ["A", "C"], "ANSWER: A, C", "ANSWER: A"),
        ({"name": "includes"}, ["x", "Paris"], "in paris", "in Rome"),
        ({"name": "match", "options": {"numeric": True}}, "1,204", "So $1204.", "So 120"),
    )
    for scorer, target, passes, fails in cases:
        name = scorer["name"]
        rows = [
            sample(passes, target, scores={name: {"value": 1}}),
            sample(fails, target, scores={name: {"value": 0}}, epoch=2),
        ]
        made = imported(log(*rows, scorers=[scorer]))
        assert made.confirmed == "The checks judge 2 of 2 recorded answers as inspect_ai did.", name


def test_what_is_judged_otherwise_is_listed() -> None:
    made = imported(log(sample("Rome", score="C")))
    assert made.confirmed == "The checks judge 0 of 1 recorded answer as inspect_ai did."
    assert (
        "sample-1: right for inspect_ai; here: 'Rome' not: ends with 'Paris'"
        in (lines(made, "Carried over, and judged otherwise")[0])
    )


def test_samples_that_broke_stay_errors_and_reasoning_is_kept_apart() -> None:
    thought = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "Paris"}]
    broken = sample("x", id=2, error={"message": "Timeout"}, output={"choices": []})
    kept = sample("attachment://a1", id=3, attachments={"a1": "Paris"})
    made = imported(log(sample(thought), broken, kept))
    first, second, third = made.answers
    assert (first["response"], first["reasoning"]) == ("Paris", "hm")
    assert second == {"case": "sample-2", "outcome": "error", "reason": "Timeout"}
    assert third["response"] == "Paris"
    written(made)
    check_rows(Path("out-answers.jsonl"), {f"sample-{n}": 1 for n in (1, 2, 3)})


def test_one_scorer_decides() -> None:
    scorers = [{"name": "model_graded_qa"}, {"name": "match"}, {"name": "includes"}]
    made = imported(log(scorers=scorers))
    assert any("scorer model_graded_qa: it asks another model" in line for line in lines(made))
    assert any("scorer includes: one decides a case; --scorer includes" in x for x in lines(made))
    chosen = imported(log(scorers=scorers), scorer="includes")
    (check,) = checks_of(written(chosen))["sample-1"]
    assert check == {"contains_any": {"texts": ["Paris"], "ignore_case": True}}


TOOL = {"role": "assistant", "content": "", "tool_calls": [{"function": "f"}]}
IMAGE = [{"role": "user", "content": [{"type": "image", "image": "x"}]}]
LOST: tuple[tuple[dict[str, Any], str], ...] = (
    ({"messages": [{"role": "user", "content": "?"}, TOOL]}, "the model called tools"),
    ({"messages": IMAGE}, "a message holds 'image': cases are texts"),
    ({"target": ""}, "the sample has no target; found ''"),
    ({"epoch": 0}, "the epoch is no number from 1 to 1,000; found 0"),
    ({"messages": [{"role": "assistant", "content": "?"}]}, "a conversation begins and ends with"),
)


@pytest.mark.parametrize(("part", "reason"), LOST, ids=[row[1][:30] for row in LOST])
def test_a_sample_that_makes_no_case_is_told(part: dict[str, Any], reason: str) -> None:
    made = imported(log(sample("Paris"), sample("Paris", **{"id": 2, **part})))
    assert f"log.json: samples[1]; {reason}" in lines(made)[0]
    assert made.carried == {"sample": (1, 2)}


BROKEN: tuple[tuple[Any, str], ...] = (
    (log(version=3), "the log has version 3 of the format\n  expected: 2 at most"),
    ({"results": {}}, "this is no log of inspect_ai\n  found: results"),
    ([1], "this is no log of inspect_ai"),
    (log(samples=[]), "the log has no samples"),
    (log(scorers=[{"name": "f1"}]), "no scorer of the log can be carried over"),
    ({**log(), "eval": {"task": "x"}}, "the log names no scorer"),
    (log(sample("a"), sample("a")), "sample 1, epoch 1, stands twice"),
    ("{", "log.json:1:2: not valid JSON"),
)


@pytest.mark.parametrize(("value", "message"), BROKEN, ids=[row[1][:30] for row in BROKEN])
def test_a_broken_log_is_told(value: Any, message: str) -> None:
    assert message in told(lambda: imported(value))


def test_a_log_with_numbers_that_json_has_not_is_read() -> None:
    put({"log.json": json.dumps(log()).replace('"success"', '"success", "x": [NaN, -Infinity]')})
    assert len(import_inspect(Path("log.json")).answers) == 1


def zipped(entries: dict[str, bytes]) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    Path("log.eval").write_bytes(stream.getvalue())


HEADER = json.dumps({key: part for key, part in log().items() if key != "samples"}).encode()


def test_a_broken_or_hostile_archive_is_told() -> None:
    def read() -> Imported:
        return import_inspect(Path("log.eval"))

    Path("log.eval").write_bytes(b"PK\x03\x04 no archive")
    assert "log.eval: the archive is broken" in told(read)
    zipped({"a.txt": b"x"})
    assert "this is no log of inspect_ai\n  found: a.txt" in told(read)
    zipped({"header.json": HEADER})
    assert "the log has no samples" in told(read)
    # 70 MiB of zeros in a few kilobytes: no more than 64 MiB of an entry are unpacked
    zipped({"header.json": HEADER, "samples/1_epoch_1.json": bytes(70 * 2**20)})
    assert Path("log.eval").stat().st_size < 100_000
    assert "log.eval: samples/1_epoch_1.json: the entry unpacks to more than 64 MiB" in told(read)
    zipped({"header.json": HEADER, "samples/1_epoch_1.json": b"[" * 5000})
    assert "not valid JSON: more than 100 levels" in told(read)
    # a name that leads elsewhere is no sample, and nothing is ever written
    zipped({"header.json": HEADER, "samples/../../evil.json": b"{}"})
    assert "the log has no samples" in told(read)
    path = archived(log())
    raw = bytearray(path.read_bytes())
    raw[40:60] = b"\xff" * 20
    path.write_bytes(bytes(raw))
    assert "cannot be unpacked" in told(read) or "the archive is broken" in told(read)
