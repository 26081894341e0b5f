"""A night: what it compares, what it keeps, what it tells."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from harness.cli import main
from harness.common import InputError, MachineryError
from harness.nightly.night import keep_night, past_nights
from harness.nightly.values import night_from_json, night_to_json
from harness.store import Store
from tests.nightly.conftest import ALL, WORSE, Sleep, answers, changed, suite, verdicts

STORE = Path(".harness/store.db")


def test_the_first_night_has_nothing_before_it(sleep: Sleep) -> None:
    report = sleep()

    assert verdicts(report) == {("baseline", "new"): "pass"}
    assert report.notes == ("there is no night before this one to compare with",)
    assert (report.exit_code, report.alerts) == (0, ())


def test_the_second_night_is_compared_with_the_first(sleep: Sleep) -> None:
    sleep()
    report = sleep(1)

    assert verdicts(report) == {
        ("baseline", "new"): "pass",
        ("last night", "base"): "pass",
        ("last night", "new"): "pass",
    }
    assert report.notes == ()


def test_a_candidate_that_gets_worse_is_told(sleep: Sleep) -> None:
    sleep()
    report = sleep(1, base=ALL, new=WORSE)

    assert [(f.rival.value, f.variant, f.verdict) for f in report.alerts] == [
        ("baseline", "new", "regressed"),
        ("last night", "new", "regressed"),
    ]
    assert report.exit_code == 1
    assert report.alerts[1].worse == ("c00", "c01", "c02", "c03", "c04", "c05", "c06")


def test_a_base_that_gets_worse_is_told_too(sleep: Sleep) -> None:
    """A new version of the engine, say: both got worse, and the run's own gate passes."""
    sleep()
    report = sleep(1, base=WORSE, new=WORSE)

    assert verdicts(report)["last night", "base"] == "regressed"
    assert verdicts(report)["last night", "new"] == "regressed"


def test_answers_that_grow_from_night_to_night_are_held_to_the_bar(sleep: Sleep) -> None:
    path = Path("suites/colours.yaml")
    bars = "{min_pass_rate: 0.5, max_length_growth: 0.5, max_latency_growth: 100}"
    path.write_text(path.read_text().replace("{min_pass_rate: 0.5}", bars))
    sleep()
    with Store(STORE) as store:
        first = store.runs()[0].id
    assert main(["baseline", "save", "pinned.json", first, "--variant", "base"]) == 0
    changed(pinned="pinned.json")
    recorded = Path("answers.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in recorded]
    longer = [{**row, "response": row["response"] + " and nothing else"} for row in rows]
    Path("answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in longer))
    report = sleep(1)

    found = dict(verdicts(report))
    # The base talks as much; times of echo are microseconds, and may be too uneven for the bar.
    assert found.pop(("baseline", "new")) in ("pass", "inconclusive")
    assert found == {
        ("last night", "base"): "below_threshold",
        ("last night", "new"): "below_threshold",
        ("pinned", "base"): "below_threshold",
        ("pinned", "new"): "below_threshold",
    }
    assert report.exit_code == 1
    assert report.alerts[0].reasons[0].startswith("answers are longer than last-night's: 5 tokens")


def test_the_pinned_baseline_sees_a_slow_decay(sleep: Sleep) -> None:
    sleep()
    with Store(STORE) as store:
        first = store.runs()[0].id
    assert main(["baseline", "save", "pinned.json", first, "--variant", "base"]) == 0
    changed(pinned="pinned.json")
    sleep(1, base=ALL, new="---+++++++++")
    report = sleep(2, base=ALL, new="------++++++")

    assert verdicts(report) == {
        ("baseline", "new"): "regressed",
        ("last night", "base"): "pass",
        ("last night", "new"): "pass",
        ("pinned", "base"): "pass",
        ("pinned", "new"): "regressed",
    }


def test_every_variant_has_its_own_suites(sleep: Sleep) -> None:
    Path("nightly.yaml").write_text(
        "suites: [suites/colours.yaml]\n"
        "variants:\n"
        "  new: {adapter: adapters/new}\n"
        "  other: {adapter: adapters/other, suites: [suites/shades.yaml]}\n"
    )
    report = sleep(0, base=ALL, new=ALL, other=ALL)

    assert sorted((rate.suite, rate.variant) for rate in report.night.rates) == [
        ("colours", "base"),
        ("colours", "new"),
        ("shades", "base"),
        ("shades", "other"),
    ]
    assert len(report.night.runs) == 2


def test_a_night_that_was_cut_off_goes_on(sleep: Sleep) -> None:
    Path("nightly.yaml").write_text(
        "name: production\n"
        "suites: [suites/colours.yaml]\n"
        "variants:\n"
        "  new: {adapter: a}\n"
        "  other: {adapter: b, suites: [suites/shades.yaml]}\n"
    )
    whole = sleep(0, base=ALL, new=ALL, other=ALL).night
    first, _ = whole.runs.items()
    with Store(STORE) as store:
        cut = replace(whole, runs=dict([first]), finished=False, rates=(), findings=())
        keep_night(store, cut)

    report = sleep(0.1)
    assert (report.resumed, report.night.id) == (True, whole.id)
    assert report.night.runs[first[0]] == first[1]
    assert len(report.night.runs) == 2
    with Store(STORE) as store:
        assert (store.runs()[0].generated, len(store.runs())) == (0, 3)
        assert [night.finished for night in past_nights(store, "production")] == [True]


def test_a_night_of_long_ago_is_given_up(sleep: Sleep) -> None:
    night = sleep().night
    with Store(STORE) as store:
        keep_night(store, replace(night, finished=False))

    assert not sleep(1).resumed


def test_old_nights_go_with_their_runs_and_reports(sleep: Sleep) -> None:
    changed(keep="2")
    runs = [run for day in range(3) for run in sleep(day).night.runs.values()]

    with Store(STORE) as store:
        assert [run.id for run in store.runs()] == runs[:0:-1]
        assert len(past_nights(store, "production")) == 2
    assert not Path("reports", runs[0]).exists()
    assert Path("reports", runs[1], "scorecard.html").is_file()


def test_two_nights_at_once_are_refused(sleep: Sleep) -> None:
    sleep()
    with FileLock(".harness/nightly-production.lock"), pytest.raises(MachineryError) as caught:
        sleep(1)

    assert str(caught.value) == (
        ".harness/nightly-production.lock: a night of 'production' is running already\n"
        "  hint: wait for it, or end it: the lock goes with its process"
    )


def test_changed_cases_are_said_and_are_no_alert(sleep: Sleep) -> None:
    sleep()
    path = Path("suites/colours.yaml")
    path.write_text(path.read_text().replace("Say red.", "Say the word red."))
    report = sleep(1)

    found = [f for f in report.night.findings if f.rival == "last night"]
    assert [finding.verdict for finding in found] == [None, None]
    assert "12 cases not compared with last-night" in found[0].reasons[-1]
    assert report.exit_code == 0


def test_a_run_that_was_pruned_is_said(sleep: Sleep) -> None:
    first = sleep().night.runs["suites/colours.yaml"]
    main(["cache", "prune", "--keep", "0"])
    report = sleep(1)

    assert report.notes[0].startswith(
        "base was not compared with last night: .harness/store.db: "
        f"run {first} was removed from the store"
    )


def test_wrong_suites_are_said_before_anything_is_generated(sleep: Sleep) -> None:
    Path("suites/colours.yaml").write_text(suite("colours", "c").replace("contains", "contians"))
    with pytest.raises(InputError, match="contians"):
        sleep()

    assert not STORE.exists()


def test_a_wrong_pinned_baseline_is_said_first(sleep: Sleep) -> None:
    changed(pinned="none.json")
    with pytest.raises(InputError) as caught:
        sleep()

    assert str(caught.value) == "none.json: cannot read the baseline: No such file or directory"


def test_an_earlier_run_is_the_baseline_of_a_night(sleep: Sleep) -> None:
    first = sleep().night.rates[0].run
    changed(baseline=f"{first}:base")
    answers(base=ALL, new=WORSE)
    report = sleep()

    assert verdicts(report)["baseline", "new"] == "regressed"
    assert report.exit_code == 1


def test_a_night_after_an_upgrade_keeps_its_answers(sleep: Sleep) -> None:
    """The baseline is of another engine: nothing is compared today, and tomorrow is."""
    answers(base=ALL)
    assert main(["score", "suites"]) == 0
    assert main(["baseline", "save", "old.json"]) == 0
    changed(baseline="old.json")

    report = sleep(base=ALL, new=ALL)
    assert verdicts(report)["baseline", "new"] == "error"
    assert verdicts(sleep(1))["last night", "new"] == "pass"


def test_latest_is_no_baseline_of_a_night(sleep: Sleep) -> None:
    changed(baseline="latest:base")
    with pytest.raises(InputError) as caught:
        sleep()

    assert str(caught.value) == (
        "the baseline of a night cannot be `latest`: that is another run each time\n"
        "  found: latest:base\n"
        "  hint: name the run by its id, or save it as a file: harness baseline save"
    )


def test_a_group_that_fails_does_not_end_the_night(sleep: Sleep) -> None:
    Path("nightly.yaml").write_text(
        "suites: [suites/colours.yaml]\n"
        "variants:\n"
        "  new: {adapter: a}\n"
        "  other: {adapter: b, suites: [suites/shades.yaml]}\n"
    )
    path = Path("answers.jsonl")
    path.write_text(path.read_text() + '{"case": "s00", "variant": "other", "response": 1}\n')
    report = sleep()

    assert report.exit_code == 3
    assert len(report.night.failures) == 2
    assert "answers.jsonl:" in report.night.failures[0]


def test_a_night_is_read_back_as_it_was(sleep: Sleep) -> None:
    sleep()
    night = sleep(1, base=ALL, new=WORSE).night

    assert night_from_json(json.loads(json.dumps(night_to_json(night)))) == night
    with Store(STORE) as store:
        assert past_nights(store, "production")[-1] == night


def test_a_night_without_a_baseline_is_held_against_its_bars(
    sleep: Sleep, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("nightly.yaml").write_text("suites: [suites/colours.yaml]\n")
    answers(base=WORSE)
    assert main(["nightly", "nightly.yaml"]) == 1

    out = capsys.readouterr().out
    assert "✗ below threshold: base in colours against its bars: below the bar: pass rate" in out
    summary = Path("reports/nightly/nightly/summary.md").read_text()
    assert "| colours | base | 41.7 % | its bars | – | ✗ below threshold |" in summary
    page = Path("reports/nightly/nightly/trend.html").read_text()
    assert "Against its own bars." in page
    assert "baseline" not in page.partition("<body>")[2]


def test_the_command(sleep: Sleep, capsys: pytest.CaptureFixture[str]) -> None:
    sleep(-1)
    sleep(0, base=ALL, new=WORSE)
    assert main(["nightly", "nightly.yaml"]) == 1

    out = capsys.readouterr().out
    assert ": 1 alert\n" in out
    assert "✗ regressed: new in colours against baseline: 12 of 12 → 5 of 12 cases pass" in out
    assert "trend    reports/nightly/production/trend.html\n" in out
    assert Path("reports/nightly/production/summary.md").is_file()
