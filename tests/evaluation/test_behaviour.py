"""Length, time and cost from the suite file to the reports, on the backends without weights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from harness.backends import Completion, machine_of
from harness.cli import main
from harness.common import InputError
from harness.config import load_settings
from harness.evaluation import run_suites
from harness.gate import load_baseline
from harness.results import Measure, SuiteResult
from harness.store import Store

Printed = pytest.CaptureFixture[str]
LENGTHS = [20, 24, 22, 27, 31, 19, 23, 28]
SUITE = """
suite: tone
category: format
gate: {bars}
cases:
""" + "".join(
    f"  - {{{{id: c{n}, user: Hi, checks: [{{{{contains: a}}}}]}}}}\n" for n in range(len(LENGTHS))
)
ANSWERS = {
    f"c{n}": {"base": "aaaa" * length, "new": "aaaa" * (length + 10 + n % 3)}
    for n, length in enumerate(LENGTHS)
}
ECHO = 'suites = ["s.yaml"]\nbackend = "echo"\n[variants.new]\nsystem = "Be kind."\n{more}'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def echo(bars: str = "{}", more: str = "", delay: float = 0.0) -> None:
    """A project in which `new` says more than the base."""
    Path("s.yaml").write_text(SUITE.format(bars=bars))
    script = ", ".join(
        f'{case} = {{base = "{said["base"]}", new = "{said["new"]}"}}'
        for case, said in ANSWERS.items()
    )
    told = f"{more}\n[engine_args]\ndelay = {delay}\nscript = {{{script}}}\n"
    Path("harness.toml").write_text(ECHO.format(more=told))


def recorded(bars: str = "{}", **counts: int) -> None:
    """The same answers, recorded."""
    Path("s.yaml").write_text(SUITE.format(bars=bars))
    Path("harness.toml").write_text(
        'suites = ["s.yaml"]\nbackend = "replay"\nresponses = "a.jsonl"\n'
    )
    rows = [
        {"case": case, "variant": variant, "response": text, **counts}
        for case, said in ANSWERS.items()
        for variant, text in said.items()
    ]
    Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def candidate(report: Any = None) -> SuiteResult:
    """The row of `new` in a run of the project."""
    report = report or run_suites(load_settings(Path()))
    (row,) = (row for row in report.gate.suites if row.variant.startswith("new"))
    found: SuiteResult = row
    return found


def reason(row: SuiteResult, measure: Measure) -> str:
    found = row.measured(measure)
    assert found is not None and found.growth is not None
    assert found.growth.growth is None
    return found.growth.reason


def test_a_bar_on_length_is_in_the_exit_code_and_in_every_report(capsys: Printed) -> None:
    echo("{max_length_growth: 0.1}")
    assert main(["run"]) == 1

    out = " ".join(capsys.readouterr().out.split())
    assert "answers of 35.1 tokens, +45 % (" in out
    assert re.search(
        r"answers are longer than base's: .* \+10 % allowed \(max_length_growth\)", out
    )
    summary = Path("reports/latest/summary.md").read_text()
    assert "- tone, new: answers of 35.1 tokens, +45 % (" in summary
    card = json.loads(Path("reports/latest/scorecard.json").read_text())
    (row,) = (row for row in card["categories"] if row["variant"] == "new")
    (tokens,) = (each for each in row["behaviour"] if each["measure"] == "tokens")
    assert tokens["growth"]["bar"] == 0.1 < tokens["growth"]["lower_bound"]
    assert row["gate"]["verdict"] == "below_threshold" and row["pass_rate"] == 1.0
    page = Path("reports/latest/scorecard.html").read_text()
    assert "Length and speed" in page and 'class="over-bar"' in page


def test_a_run_without_bars_is_not_decided_by_length(capsys: Printed) -> None:
    echo()
    assert main(["run"]) == 0
    assert "warning for new, tone: answers are longer" in capsys.readouterr().out


def test_times_of_one_machine_are_compared_also_from_the_store() -> None:
    echo("{max_latency_growth: 50}", delay=0.002)
    fresh = candidate()

    assert fresh.verdict == "pass"
    assert candidate().behaviour == fresh.behaviour  # the same answers, from the store
    found = fresh.measured(Measure.TOKENS_PER_SECOND)
    assert found is not None and found.mean is not None and found.growth is not None
    assert found.growth.pairs == len(LENGTHS)


def test_answers_of_another_machine_in_the_store_are_not_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    echo("{max_latency_growth: 50}")
    run_suites(load_settings(Path()))
    machine_of.cache_clear()
    monkeypatch.setattr("platform.node", lambda: "elsewhere")
    try:
        with Store(Path(".harness/store.db")) as store, store.transaction() as connection:
            connection.execute(
                "DELETE FROM completions WHERE json_extract(meta, '$.variant')='new'"
            )
        row = candidate()
    finally:
        machine_of.cache_clear()
    assert row.verdict == "inconclusive"
    assert row.reasons[0].startswith(
        "max_latency_growth could not be judged: the baseline's answers"
    )


def test_answers_of_an_old_store_have_no_times() -> None:
    echo("{max_latency_growth: 50}")
    run_suites(load_settings(Path()))
    with Store(Path(".harness/store.db")) as store:
        with store.reading() as connection:
            keys = [key for (key,) in connection.execute("SELECT key FROM completions")]
        old = {
            key: Completion(
                c.text, c.finish_reason, c.prompt_tokens, c.completion_tokens, c.seconds
            )
            for key, c in store.completions(keys).items()
        }
        with store.transaction() as connection:
            connection.execute("DELETE FROM completions")
        for key, completion in old.items():
            store.put(key, completion)
    row = candidate()
    assert reason(row, Measure.SECONDS).startswith("base: no times")
    found = row.measured(Measure.TOKENS)
    assert found is not None and found.growth is not None and found.growth.growth is not None


def test_recorded_answers_are_measured_in_characters_unless_tokens_were_counted() -> None:
    recorded()
    row = candidate()
    found = row.measured(Measure.CHARACTERS)
    assert found is not None and found.growth is not None and found.growth.growth is not None
    assert reason(row, Measure.TOKENS) == "base: the engine counted no tokens"
    assert reason(row, Measure.SECONDS).startswith("base: no times: recorded answers")
    assert "answers are longer" in row.warnings[0] and "characters" in row.warnings[0]
    results = Path("reports/latest/results.jsonl").read_text()
    assert '"tokens_estimated":true' in results.replace(" ", "")

    recorded(prompt_tokens=3, completion_tokens=7)
    counted = candidate().measured(Measure.TOKENS)
    assert counted is not None and counted.mean == 7.0


def test_a_bar_on_the_time_of_recorded_answers_is_refused_at_its_place() -> None:
    recorded("{min_pass_rate: 0.5, max_latency_growth: 0.5}")
    with pytest.raises(InputError) as caught:
        run_suites(load_settings(Path()))
    assert str(caught.value) == (
        "s.yaml:4:48: max_latency_growth cannot be judged: recorded answers hold no times\n"
        "  found: backend 'replay'\n"
        "  hint: run the suite on the engine itself, or take the bar out of it"
    )
    alone = run_suites(load_settings(Path(), {"baseline": "none"}))
    assert "max_latency_growth was not tested" in alone.gate.suites[0].warnings[0]


def test_a_bar_on_growth_without_a_baseline_is_said_not_to_have_been_tested(
    capsys: Printed,
) -> None:
    recorded("{max_length_growth: 0.5}")

    assert main(["run", "--baseline", "none"]) == 0

    said = "tone: max_length_growth was not tested: there is no baseline to compare with"
    nothing = "nothing was gated: every bar is about a baseline, and there is no baseline"
    out = " ".join(capsys.readouterr().out.split())
    assert f"warning for base and new, {said}" in out
    assert f"warning: {nothing}" in out
    assert said in Path("reports/latest/summary.md").read_text().replace(r"\_", "_")
    page = Path("reports/latest/scorecard.html").read_text()
    assert nothing in page and "max_length_growth was not tested" in page


def test_prices_are_kept_with_the_run_and_shown(capsys: Printed) -> None:
    echo(more="prices = {input = 1, output = 4}\n[prices]\ninput = 0.5\noutput = 2.0\n")
    assert main(["run"]) == 0
    row = candidate()
    found = row.measured(Measure.COST)
    assert found is not None and found.growth is not None and found.growth.growth is not None
    assert found.unit == "USD" and found.growth.growth > 1.0  # twice the price, and longer
    assert "Cost of 1,000, USD" in Path("reports/latest/scorecard.html").read_text()
    # What a run cost does not change with the configuration.
    echo()
    assert main(["compare", "latest:base", "latest:new"]) == 0
    (card,) = Path("reports").glob("compare-*/scorecard.json")
    rows = json.loads(card.read_text())["categories"][1]["behaviour"]
    assert [each["unit"] for each in rows][-1] == "USD"
    capsys.readouterr()


def test_harness_plan_says_what_the_tokens_will_cost(capsys: Printed) -> None:
    echo(more="prices = {input = 1, output = 4}\n")
    run_suites(load_settings(Path()))
    capsys.readouterr()
    assert main(["plan", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    answers = found["answer_tokens"] / 2
    assert found["costs"]["USD"] == pytest.approx(4e-6 * answers, rel=0.5)
    assert found["unpriced"] == ["base"]
    assert main(["plan"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert re.search(
        r"Tokens cost about 0\.00 USD, judges' not in it, without base: no prices", out
    )


def test_a_baseline_file_holds_lengths_and_no_times() -> None:
    echo()
    report = run_suites(load_settings(Path()))
    assert main(["baseline", "save", "b.json", report.info.id, "--variant", "base"]) == 0
    assert all(
        result.counted and not result.seconds for result in load_baseline(Path("b.json")).results
    )

    echo("{max_length_growth: 0.1}")
    settings = load_settings(Path(), {"baseline": "b.json", "reference": ("base",)})
    row = candidate(run_suites(settings))
    assert row.verdict == "below_threshold"
    characters = row.measured(Measure.CHARACTERS)
    assert characters and characters.growth and characters.growth.before == 97.0
    assert "a baseline file" in reason(row, Measure.SECONDS)


@pytest.mark.parametrize("answers", [(), ("--with-answers",)])
def test_a_baseline_file_knows_of_reasoning_and_of_calls(answers: tuple[str, ...]) -> None:
    """What it compares with is what the run itself would: no text of a call, no thought is lost."""
    call = {"name": "f", "arguments": {"x": "y" * 40}}
    rows: list[dict[str, Any]] = []
    for name in ("base", "new"):
        for n in range(8):
            text = f"<think>{'hm ' * (n + 9)}</think>Let me see.{'!' * (name == 'new')}"
            steps = [{"turn": 0, "text": text, "tool_calls": [call]}, {"turn": 0, "text": "Done."}]
            rows.append({"case": f"c{n}", "variant": name, "steps": steps})
            rows[-1] |= {"prompt_tokens": 9, "completion_tokens": 50 + n}
    Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    only = [json.dumps(row) + "\n" for row in rows if row["variant"] == "new"]
    Path("new.jsonl").write_text("".join(only))
    cases = "".join(
        f"  - {{id: c{n}, user: Hi, results: [{{tool: f, returns: 1}}], checks: [no_tool_call]}}\n"
        for n in range(8)
    )
    tool = "{name: f, parameters: {properties: {x: {}}}}"
    Path("s.yaml").write_text(f"suite: t\ncategory: c\ntools: [{tool}]\ncases:\n{cases}")
    recorded_by: dict[str, Any] = {"suites": ("s.yaml",), "backend": "replay"}
    together = run_suites(load_settings(Path(), {**recorded_by, "responses": Path("a.jsonl")}))
    saving = ["baseline", "save", "b.json", together.info.id, "--variant", "base", *answers]
    assert main(saving) == 0
    apart = {**recorded_by, "responses": Path("new.jsonl"), "baseline": "b.json"}

    alone = run_suites(load_settings(Path(), apart))

    for measure in (Measure.TOKENS, Measure.CHARACTERS, Measure.REASONING):
        ours, theirs = candidate(alone).measured(measure), candidate(together).measured(measure)
        assert ours and theirs and ours.growth and theirs.growth
        assert ours.growth.before == theirs.growth.before
        assert ours.growth.growth == theirs.growth.growth is not None
