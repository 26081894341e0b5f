"""What a terminal shows, to the letter."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.common.console import Terminal
from harness.reports import ReportPaths, Scorecard, build_scorecard, print_summary
from harness.results import GateReport, Verdict
from tests.reports.samples import against_base, info, rate, report, row, small, suite, variant

HOME = Path("reports") / "2026-11-21-1033-7f3a"
PATHS = ReportPaths(
    HOME,
    HOME / "scorecard.html",
    HOME / "scorecard.json",
    HOME / "results.jsonl",
    HOME / "summary.md",
)
SMALL = """\
             passed     rate (95 %)       change (95 %)  verdict
invoices
  base        31/60  51.7 % (39–64)                      baseline
  repaired    55/60  91.7 % (82–96)  +40.0 (+27 to +52)  ✓ pass
  forgetful   54/60  90.0 % (80–95)  +38.3 (+25 to +50)  ✓ pass
languages
  base        38/40  95.0 % (84–99)                      baseline
  repaired    37/40  92.5 % (80–97)     −2.5 (−9 to +4)  ✓ pass
  forgetful   24/40  60.0 % (45–74)  −35.0 (−48 to −19)  ✗ regressed

✗ REGRESSED  forgetful must not replace base: it got worse in languages.
  languages: 14 cases got worse, none got better; equal models give a result
  this lopsided in less than 0.1 % of runs (two suites, after Holm).
  look at: fr-03, fr-04, fr-05 and 11 more

✓ PASS  repaired may replace base: every suite passes.
  Suites of this size notice a true drop of 8 points four times in five; a
  smaller one may slip through.

warning for forgetful, invoices: a gain of 38.3 points is large: a broken check
looks like that

note: float32: the CPU has no fast bfloat16
240 answers generated, 60 from the store, 42 s
scorecard  reports/2026-11-21-1033-7f3a/scorecard.html
view       harness view 2026-11-21-1033-7f3a
"""


def shown(card: Scorecard, *, width: int = 80, encoding: str = "utf-8", **options: object) -> str:
    """What print_summary writes, without spaces at the ends of lines."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    console = Console(file=file, width=width, **options)  # type: ignore[arg-type]  # mixed types
    print_summary(console, card, PATHS, view="harness view 2026-11-21-1033-7f3a")
    file.flush()
    lines = raw.getvalue().decode(encoding).split("\n")
    return "\n".join(line.rstrip() for line in lines)


def test_the_small_run_at_80_columns() -> None:
    assert shown(small()) == SMALL


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_nothing_is_wider_than_the_terminal(width: int) -> None:
    lines = shown(small(), width=width).splitlines()
    assert max(len(line) for line in lines if "scorecard.html" not in line) <= width


def test_long_names_fold_and_no_figure_is_lost() -> None:
    name = "a-very-long-name-of-an-adapter-that-somebody-gave"
    made = info(suites=(suite("invoices", 40),), variants=(variant(name),))
    verdict = row("invoices", "repaired", rate(24, 40, 0.446, 0.737), Verdict.BELOW_THRESHOLD)
    object.__setattr__(verdict, "variant", name)
    text = shown(build_scorecard(made, GateReport((verdict,), Verdict.BELOW_THRESHOLD)))
    assert "60.0 % (45–74)" in text
    assert "✗ below threshold" in text
    assert max(map(len, text.splitlines())) <= 80


def test_colour_only_on_a_terminal_that_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[31m" in shown(small(), force_terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in shown(small(), force_terminal=True)
    assert "\x1b" not in shown(small())


def test_a_console_that_knows_no_such_signs_gets_plain_ones() -> None:
    text = shown(small(), encoding="ascii")
    assert "x REGRESSED  forgetful must not replace base" in text
    assert "-35.0 (-48 to -19)" in text


def test_nothing_gated_is_said() -> None:
    made = info(variants=(variant("base"),))
    text = shown(build_scorecard(made, GateReport((), None)))
    assert "Nothing was gated: this run has no candidate." in text


def test_a_run_that_was_cut_off_says_so() -> None:
    text = shown(build_scorecard(info(finished=False), GateReport((), None)))
    assert "The run did not finish: figures cover what was done." in text


def test_markup_in_a_name_is_text() -> None:
    text = shown(build_scorecard(info(notes=("[red]not markup[/red]",)), GateReport((), None)))
    assert "note: [red]not markup[/red]" in text


def test_in_a_pipe_every_message_is_one_line() -> None:
    """A log is searched line by line, and a path in it is clicked."""
    path = "/srv/models/" + "a-long-folder/" * 10
    file = io.StringIO()
    card = build_scorecard(info(notes=(f"the chat template is that of {path}",)), report())
    print_summary(Terminal(file=file), card, PATHS)

    lines = file.getvalue().splitlines()
    assert f"note: the chat template is that of {path}" in lines
    (line,) = (line for line in lines if line.startswith("  languages: "))
    assert line.endswith("(two suites, after Holm).")


def test_a_pass_of_a_suite_that_sees_nothing_is_warned_of() -> None:
    made = info(suites=(suite("invoices", 4),), variants=(variant("base"), variant("repaired")))
    found = replace(against_base(4, 0.0, -0.6, 0.6, 1.0, 1.0, (), ()), mde=None)
    verdict = row("invoices", "repaired", rate(4, 4, 0.5, 1.0), Verdict.PASS, (), found)
    text = shown(build_scorecard(made, GateReport((verdict,), Verdict.PASS)), width=200)

    assert (
        "\nwarning for repaired, invoices: too few cases to see a drop of any size: a pass says "
        "nothing about a loss there\n"
    ) in text


@pytest.mark.parametrize(("backend", "made"), [("replay", "read"), ("hf", "generated")])
def test_recorded_answers_are_read(backend: str, made: str) -> None:
    text = shown(build_scorecard(info(backend=backend), report()))

    assert f"\n240 answers {made}, 60 from the store, " in text
