"""The candidates of a night with each other: in the page, in Markdown, on the terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.cli import main
from harness.nightly.values import night_from_json, night_to_json
from tests.nightly.conftest import ALL, CASES, WORSE, Sleep, answers

NAMES = [f"v{n}" for n in range(1, 9)]


def listed(names: list[str], extra: str = "") -> None:
    """A night of the base and of these adapters."""
    lines = "".join(f"  {name}: {{adapter: adapters/{name}}}\n" for name in names)
    Path("nightly.yaml").write_text(
        f"name: production\nsuites: [suites/colours.yaml]\n{extra}variants:\n{lines}"
    )


def test_the_baseline_is_not_among_them(sleep: Sleep) -> None:
    listed(["new", "old"])
    rows = sleep(0, base=ALL, new=ALL, old=WORSE).night.pairwise

    assert [(row.first, row.second, row.leader) for row in rows] == [("new", "old", "new")]


def test_one_candidate_has_nobody_to_be_compared_with(sleep: Sleep) -> None:
    report = sleep()

    assert report.night.pairwise == ()
    assert "With each other" not in report.page.read_text() + report.markdown.read_text()


def test_a_clear_difference_is_no_alert(sleep: Sleep) -> None:
    """Both are as good as the base or better: one of them clearly."""
    listed(["new", "old"])
    report = sleep(0, base="-----+++++++", new=ALL, old="-----+++++++")

    assert report.night.pairwise[0].leader == "new"
    assert (report.alerts, report.exit_code) == ((), 0)


def test_variants_of_different_runs_meet_in_the_suites_that_they_share(sleep: Sleep) -> None:
    listed(["new"])
    path = Path("nightly.yaml")
    own = "  other: {adapter: o, suites: [suites/shades.yaml, suites/colours.yaml]}\n"
    path.write_text(path.read_text() + own)
    night = sleep(0, base=ALL, new=ALL, other=WORSE).night

    assert len(night.runs) == 2
    assert [(r.suite, r.first, r.second, r.leader) for r in night.pairwise] == [
        ("colours", "new", "other", "new")
    ]


def test_the_page_has_a_matrix_of_names_for_a_few(sleep: Sleep) -> None:
    listed(NAMES[:3])
    text = sleep(0, base=ALL, v1=ALL, v2=ALL, v3="-" * CASES).page.read_text()

    assert re.findall(r'<th scope="col">(v\d)</th>', text) == NAMES[:3]
    assert '<td class="better">▲ +100.0<span class="unseen">, clearly better</span></td>' in text
    assert text.count('<td class="worse">▼ −100.0') == 2
    assert "1. v1 and v2 (no order among them); 2. v3." in text
    assert "v1 against v3: +100.0 (+63 to +100), 12 cases better, 0 worse in 12 pairs" in text


def test_eight_variants_are_one_table_with_numbered_columns(sleep: Sleep) -> None:
    listed(NAMES)
    signs = dict.fromkeys(NAMES[:-1], ALL) | {"v8": "-" * CASES}
    report = sleep(0, base=ALL, **signs)
    text = report.page.read_text()

    assert len(report.night.pairwise) == 28
    assert re.findall(r'<th scope="col">(\d)<span class="unseen"> v\d</span>', text) == list(
        "12345678"
    )
    assert text.count('<td class="open">0.0') == 7 * 6
    assert "<summary>7 clear differences" in text
    assert "after Holm over all 28 comparisons" in text


def test_the_summary_has_a_sentence_and_a_table(sleep: Sleep) -> None:
    listed(NAMES[:3])
    lines = sleep(0, base=ALL, v1=ALL, v2=ALL, v3="-" * CASES).markdown.read_text().splitlines()

    assert "- colours: 1. v1 and v2 (no order among them); 2. v3." in lines
    at = lines.index("| colours | v1 | v2 | v3 |")
    assert lines[at + 1 : at + 5] == [
        "|---|--:|--:|--:|",
        "| v1 |  | 0.0 | ▲ +100.0 |",
        "| v2 | 0.0 |  | ▲ +100.0 |",
        "| v3 | ▼ −100.0 | ▼ −100.0 |  |",
    ]


def test_a_quiet_night_has_a_line_and_no_table(sleep: Sleep) -> None:
    listed(NAMES)
    lines = sleep(0, base=ALL, **dict.fromkeys(NAMES, ALL)).markdown.read_text().splitlines()

    assert "- colours: No clear difference in 28 pairs." in lines
    assert not any("v8 |  |" in line for line in lines)


def test_the_command_says_it(sleep: Sleep, capsys: pytest.CaptureFixture[str]) -> None:
    listed(["new", "old"])
    answers(base=ALL, new=ALL, old=ALL)
    assert main(["nightly", "nightly.yaml"]) == 0
    assert (
        "with each other: no clear difference in 1 pair over 1 suite\n" in capsys.readouterr().out
    )

    answers(base=WORSE, new=ALL, old=WORSE)
    main(["nightly", "nightly.yaml"])
    assert "with each other, colours: 1. new; 2. old.\n" in capsys.readouterr().out


def test_the_cases_of_a_clear_difference_are_one_command_away(sleep: Sleep) -> None:
    listed(["new", "old"])
    text = sleep(0, base=WORSE, new=ALL, old=WORSE).page.read_text()
    (command,) = re.findall(r"<code>harness (compare [^<]+)</code>", text)

    assert main([*command.split(), "--report-dir", "compared"]) == 0
    (page,) = Path("compared").glob("compare-*/scorecard.html")
    assert "7 cases got better" in page.read_text()


def test_a_run_that_may_stop_early_is_left_to_its_own_gate(sleep: Sleep) -> None:
    listed(["new", "old"])
    Path("harness.toml").write_text(Path("harness.toml").read_text() + "early_stop = true\n")
    report = sleep(0, base=ALL, new=ALL, old=WORSE)

    assert report.night.pairwise == ()
    run = report.night.runs["suites/colours.yaml"]
    assert report.notes[-1] == (
        f"the variants of run {run} were not compared with each other: "
        "it could stop early, so that only its own gate may look at it"
    )


def test_a_variant_that_broke_is_said(sleep: Sleep) -> None:
    """An answer that is missing from the recorded ones is broken machinery."""
    listed(NAMES[:3])
    answers(base=ALL, v1=ALL, v2=ALL, v3=ALL)
    Path("harness.toml").write_text('backend = "replay"\nresponses = "answers.jsonl"\n')
    path = Path("answers.jsonl")
    rows = [row for row in path.read_text().splitlines() if '"case": "c' in row]
    path.write_text("\n".join(rows[:-1]) + "\n")
    report = sleep()

    assert {(row.first, row.second): row.why for row in report.night.pairwise} == {
        ("v1", "v2"): "",
        ("v1", "v3"): "1 case of v3 ended in an error",
        ("v2", "v3"): "1 case of v3 ended in an error",
    }
    assert "<summary>2 pairs not compared" in report.page.read_text()


def test_a_night_of_an_older_harness_has_none(sleep: Sleep) -> None:
    row = night_to_json(sleep().night)
    del row["pairwise"]

    assert night_from_json(row).pairwise == ()
