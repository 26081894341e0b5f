"""Several tries from the suite file to the scorecard, with recorded answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.suites import load_suite

SUITE = """
suite: refunds
category: tool_calling
defaults: {{repeats: 3, sampling: {{temperature: {temperature}}}}}
gate: {{on: {on}, min_pass_rate: 0.9}}
cases:
""" + "".join(
    f"  - {{{{id: r{n}, user: hi, checks: [{{{{contains: yes}}}}]}}}}\n" for n in range(6)
)
Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two variants: the base passes each try, the new one two of three."""
    monkeypatch.chdir(tmp_path)
    Path("harness.toml").write_text(
        'suites = ["s.yaml"]\nbackend = "replay"\nresponses = "answers.jsonl"\n'
    )
    rows = [
        {"case": f"r{n}", "variant": name, "repeat": repeat, "response": text}
        for n in range(6)
        for name, texts in (("base", ("yes", "yes", "yes")), ("new", ("yes", "no", "yes")))
        for repeat, text in enumerate(texts)
    ]
    Path("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(on: str, temperature: float = 0.7) -> tuple[int, dict[str, Any]]:
    Path("s.yaml").write_text(SUITE.format(on=on, temperature=temperature))
    code = main(["run"])
    card: dict[str, Any] = json.loads(Path("reports/latest/scorecard.json").read_text())
    return code, card


@pytest.mark.parametrize(("on", "code"), [("pass@3", 0), ("pass^3", 1), ("passed", 1)])
def test_the_gate_is_on_what_the_suite_says(on: str, code: int, capsys: Printed) -> None:
    found, card = run(on)
    row = next(row for row in card["categories"] if row["variant"] == "new")

    assert found == code
    assert row["pass_rate"] == pytest.approx(2 / 3)  # the mean, whatever the gate is on
    assert [each["estimate"] for each in row["pass_at_k"]] == pytest.approx([2 / 3, 1.0, 1.0])
    assert [each["estimate"] for each in row["pass_hat_k"]] == pytest.approx([2 / 3, 1 / 3, 0.0])
    out = capsys.readouterr().out
    assert ("pass@3 100.0 % (61–100) of 6 cases" in out) is (on == "pass@3")
    page = Path("reports/latest/scorecard.html").read_text()
    assert "Several tries" in page and "k = 3" in page
    assert "temperature 0" not in str(card["warnings"])


def test_greedy_tries_are_told_once_and_before_the_run(capsys: Printed) -> None:
    _, card = run("pass@3", temperature=0)
    told = [text for text in card["warnings"] if "at temperature 0" in text]
    assert len(told) == 1
    assert told[0].startswith("refunds: 6 of 6 cases are asked several times at temperature 0")

    capsys.readouterr()
    assert main(["validate"]) == 0
    assert capsys.readouterr().out.count("asked several times at temperature 0") == 1


def test_limits_that_do_not_limit_are_told(tmp_path: Path) -> None:
    suite = tmp_path / "s.yaml"
    suite.write_text(
        "suite: s\ncategory: c\ngate: {max_length_growth: 30, max_latency_growth: 0.5}\n"
        "defaults: {sampling: {max_new_tokens: 9}}\ncases:\n"
        "  - {id: a, user: x, sampling: {max_reasoning_tokens: 9}, checks: [{contains: x}]}\n"
        "  - {id: b, user: x, sampling: {max_reasoning_tokens: 8}, checks: [{contains: x}]}\n"
    )

    assert load_suite(suite).warnings == (
        "max_length_growth 30 allows a growth of 3000 %; it is a share: 0.3 is 30 %",
        "max_reasoning_tokens 9 leaves no room for an answer: max_new_tokens is 9 and counts both, "
        "in 1 case",
    )


@pytest.mark.parametrize(
    ("beside", "told"),
    [
        ("chat_template_args: {enable_thinking: no}", "enable_thinking is the text 'no'"),
        ("chat_template_args: {enable_thinking: False}", ""),
        ('chat_template_args: {reasoning_effort: "low"}', ""),
        ("reasoning_parser: none, read: 1", "finds none under reasoning_parser: none"),
        ("decoding: constrained, read: 1", "finds none under decoding: constrained"),
        ("reasoning_parser: none", ""),
        ("prefix: Rome", "contains holds for the prefix alone"),
        ("prefix: Ro", ""),
    ],
)
def test_settings_that_undo_a_check_are_told(beside: str, told: str, tmp_path: Path) -> None:
    beside, _, reads = beside.partition(", read")
    check = "{contains: Rome, read: reasoning}" if reads else "{contains: Rome}"
    suite = tmp_path / "s.yaml"
    suite.write_text(
        f"suite: s\ncategory: c\ncases:\n  - {{id: a, user: x, {beside}, checks: [{check}]}}\n"
    )

    warnings = load_suite(suite).warnings

    assert len(warnings) == (1 if told else 0)
    assert told in "".join(warnings)
