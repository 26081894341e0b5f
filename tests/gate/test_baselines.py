"""Baseline files: what is kept, what is refused, what is found broken."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.common import GateSettings, InputError, VariantRole, digest
from harness.gate import decide, load_baseline, save_baseline
from harness.results import Result, RunInfo, SuiteInfo, VariantInfo, Verdict
from tests.gate.hand_made import demand, result, rows, verdict_of


def variant(name: str) -> VariantInfo:
    return VariantInfo(
        name, VariantRole.CANDIDATE, "models/m", None, "abc", "", {"engine": "hf", "dtype": "f32"}
    )


def run_of(cases: int, *, selected: int | None = None, names: Iterable[str] = ("base",)) -> RunInfo:
    chosen = cases if selected is None else selected
    suite = SuiteInfo("s", "format", "suites/s.yaml", "", GateSettings(), cases, chosen)
    return RunInfo(
        id="r1",
        started="2025-01-01T00:00:00Z",
        seconds=1.5,
        harness_version="0.1.0",
        backend="hf",
        baseline=None,
        suites=(suite,),
        variants=tuple(variant(name) for name in names),
        scorers={"contains": 1},
        finished=True,
    )


def saved(path: Path, results: Iterable[Result], run: RunInfo, name: str | None = None) -> Path:
    save_baseline(path, run, results, variant=name)
    return path


def refusal(path: Path, results: Iterable[Result], run: RunInfo, name: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        save_baseline(path, run, results, variant=name)
    assert not path.exists()
    return str(caught.value).replace(str(path), "FILE")


def broken(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_baseline(path)
    return str(caught.value).replace(str(path), "FILE")


def test_a_saved_baseline_gates_as_the_run_itself_would(tmp_path: Path) -> None:
    old = list(rows("P" * 20, "base"))
    path = saved(tmp_path / "deep" / "baseline.json", old, run_of(20))
    roles = {"pinned": VariantRole.BASELINE, "new": VariantRole.CANDIDATE}

    kept = load_baseline(path)
    report = decide(
        [*kept.named("pinned"), *rows("F" * 8 + "P" * 12)], [demand(20)], roles, "pinned"
    )

    assert verdict_of(report).verdict is Verdict.REGRESSED
    assert kept.variant.environment == {"engine": "hf", "dtype": "f32"}
    assert kept.info.scorers == {"contains": 1}


def test_everything_that_the_gate_needs_comes_back(tmp_path: Path) -> None:
    row = result(
        "a", "base", "F", score=1 / 3, cluster="g", required=True, case_hash="h1", environment="e1"
    )
    path = saved(tmp_path / "b.json", [row, result("x", "other")], run_of(1))

    assert row.characters
    assert load_baseline(path).results == (replace(row, responses=(), length=row.characters),)


def test_one_line_per_result_so_that_a_diff_shows_the_cases(tmp_path: Path) -> None:
    path = saved(tmp_path / "b.json", rows("PFP", "base"), run_of(3))

    lines = [line for line in path.read_text().splitlines() if '"case"' in line]
    assert len(lines) == 3
    assert "text" not in path.read_text()


def test_saving_again_replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    saved(tmp_path / "b.json", rows("P", "base"), run_of(1))
    path = saved(tmp_path / "b.json", rows("F", "base"), run_of(1))

    assert load_baseline(path).results[0].outcome.value == "fail"
    assert list(tmp_path.iterdir()) == [path]


def test_all_flaws_of_a_run_are_refused_at_once(tmp_path: Path) -> None:
    run = replace(run_of(3), finished=False)

    assert refusal(tmp_path / "b.json", rows("PE", "base"), run) == (
        "FILE: run r1 was not finished: it is no baseline\n"
        "FILE: suite s: 2 of 3 cases have results\n"
        "FILE: suite s: 1 case ended in an error, max_errors is 0"
    )


def test_part_of_a_suite_is_refused(tmp_path: Path) -> None:
    run = run_of(3, selected=2)

    assert refusal(tmp_path / "b.json", rows("PP", "base"), run) == (
        "FILE: suite s: only 2 of 3 cases were run"
    )


def test_a_run_without_suites_is_refused(tmp_path: Path) -> None:
    run = replace(run_of(1), suites=())

    assert refusal(tmp_path / "b.json", [], run) == ("FILE: run r1 has no suite: it is no baseline")


def test_one_of_several_variants_must_be_named(tmp_path: Path) -> None:
    run = run_of(1, names=("base", "tuned"))

    assert refusal(tmp_path / "b.json", rows("P", "base"), run) == (
        "FILE: the run has several variants and no baseline: say which to save\n"
        "  expected: base, tuned\n"
        "  hint: add --variant NAME"
    )
    assert refusal(tmp_path / "b.json", rows("P", "base"), run, "tunde") == (
        "FILE: variant 'tunde' is not part of run r1\n"
        "  expected: base, tuned\n  did you mean: tuned"
    )


def test_the_baseline_of_the_run_is_the_one_to_save(tmp_path: Path) -> None:
    run = replace(run_of(1, names=("tuned", "base")), baseline="base")
    path = saved(tmp_path / "b.json", rows("P", "base"), run)

    assert load_baseline(path).variant.name == "base"


def test_a_baseline_from_elsewhere_is_not_the_one_to_save(tmp_path: Path) -> None:
    run = replace(run_of(1, names=("base", "tuned")), baseline="base", source="old.json")
    path = saved(tmp_path / "b.json", rows("P", "tuned"), run)

    assert load_baseline(path).variant.name == "tuned"
    assert refusal(tmp_path / "c.json", rows("P", "tuned"), run, "base") == (
        "FILE: variant 'base' did not answer in run r1: its answers are those of old.json\n"
        "  expected: tuned"
    )


def test_one_of_several_beside_a_baseline_from_elsewhere_must_be_named(tmp_path: Path) -> None:
    names = ("base", "one", "two")
    run = replace(run_of(1, names=names), baseline="base", source="old.json")

    assert refusal(tmp_path / "b.json", rows("P", "one"), run) == (
        "FILE: several variants answered in the run, and its baseline did not: say which to save\n"
        "  expected: one, two\n"
        "  hint: add --variant NAME"
    )


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "b.json"

    with pytest.raises(InputError) as caught:
        save_baseline(path, run_of(1), rows("P", "base"))

    assert str(caught.value).startswith(f"{path}: cannot write the baseline: ")


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    assert broken(tmp_path / "b.json") == (
        "FILE: cannot read the baseline: No such file or directory"
    )


def test_a_file_that_was_cut_off(tmp_path: Path) -> None:
    path = saved(tmp_path / "b.json", rows("PP", "base"), run_of(2))
    path.write_text(path.read_text()[:-60])

    assert ": the baseline is not whole JSON: " in broken(path)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_bytes(b"\xff{}")

    assert (
        broken(path)
        == "FILE:1: the file is not UTF-8\n  found: byte 0xff\n  hint: save it as UTF-8"
    )


def test_a_result_that_was_improved_by_hand(tmp_path: Path) -> None:
    path = saved(tmp_path / "b.json", rows("PF", "base"), run_of(2))
    path.write_text(path.read_text().replace('"fail"', '"pass"'))

    assert broken(path) == (
        "FILE: the baseline was changed after it was saved\n"
        "  hint: save it again from the run, or restore the file"
    )


@pytest.mark.parametrize("text", ["[]", "{}", '{"format": "other"}'])
def test_another_json_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(text)

    assert broken(path) == (
        "FILE: this is not a baseline file\n  expected: a file that `harness baseline save` wrote"
    )


def test_a_newer_version(tmp_path: Path) -> None:
    path = saved(tmp_path / "b.json", rows("P", "base"), run_of(1))
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))

    assert broken(path) == (
        "FILE: the baseline has another format version\n  found: 2\n  expected: 1\n"
        "  hint: save it again with this version of the harness"
    )


def test_a_file_without_its_digest(tmp_path: Path) -> None:
    path = tmp_path / "b.json"
    path.write_text('{"format": "harness-baseline", "schema_version": 1}')

    assert broken(path) == "FILE: the baseline has no digest"


def test_a_sealed_file_with_other_content(tmp_path: Path) -> None:
    content = {"format": "harness-baseline", "schema_version": 1, "run": {}, "results": []}
    path = tmp_path / "b.json"
    path.write_text(json.dumps({**content, "digest": digest(content)}))

    assert "FILE: the record of the run: 'suites' is missing\n" in broken(path)
