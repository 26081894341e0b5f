"""`harness baseline`: a run becomes a file, and the file becomes what others are compared with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.store import Store
from tests.recorded_project import Record

ALL = "++++++++++++"
WORSE = "-------+++++"
Printed = pytest.CaptureFixture[str]


def run_id() -> str:
    with Store(Path(".harness/store.db")) as store:
        return store.runs()[0].id


def saved(record: Record, answers: str = ALL) -> None:
    """`base.json`, saved from a run of the base alone."""
    record({"base": answers})
    assert main(["run"]) == 0
    assert main(["baseline", "save", "base.json"]) == 0


def scorecard() -> dict[str, object]:
    card: dict[str, object] = json.loads(Path("reports/latest/scorecard.json").read_text())
    return card


@pytest.mark.parametrize(
    ("answers", "code", "verdict"), [(ALL, 0, "pass"), (WORSE, 1, "regressed")]
)
def test_changed_answers_are_gated_against_the_file(
    record: Record, answers: str, code: int, verdict: str
) -> None:
    saved(record)
    record({"base": answers})

    assert main(["run", "--baseline", "base.json"]) == code
    card = scorecard()
    assert card["verdict"] == verdict
    assert card["run"]["baseline"] == "base-committed"  # type: ignore[index]


def test_a_file_needs_no_store(record: Record) -> None:
    saved(record)
    record({"new": WORSE})

    assert main(["run", "--baseline", "base.json", "--store", "other.db"]) == 1
    assert scorecard()["run"]["baseline"] == "base"  # type: ignore[index]


def test_saving_says_what_was_saved_and_what_to_do_with_it(record: Record, capsys: Printed) -> None:
    saved(record, "-+++++++++++")
    out = capsys.readouterr().out.splitlines()[-7:]

    assert out[0].startswith(f"baseline base: run {run_id()}, ")
    assert out[1] == "  model recorded"
    assert out[3].startswith("  environment engine replay, version ")
    assert out[5:] == ["saved: base.json", "compare against it: harness run --baseline base.json"]


def test_showing_a_file(record: Record, capsys: Printed) -> None:
    saved(record, "-+++++++++++")
    capsys.readouterr()

    assert main(["baseline", "show", "base.json"]) == 0
    assert "  colours: 11 of 12 cases passed, 91.7 %\n" in capsys.readouterr().out


def test_a_variant_is_chosen_by_name(record: Record, capsys: Printed) -> None:
    record({"base": ALL, "new": "-+++++++++++"})
    main(["run"])
    capsys.readouterr()

    assert main(["baseline", "save", "new.json", run_id(), "--variant", "new"]) == 0
    assert "baseline new: run" in capsys.readouterr().out


def test_a_run_with_errors_is_refused(record: Record, capsys: Printed) -> None:
    record({"base": "+++++++++++"})
    main(["run"])
    capsys.readouterr()

    assert main(["baseline", "save", "base.json"]) == 2
    assert capsys.readouterr().err == (
        "base.json: suite colours: 1 case ended in an error, max_errors is 0\n"
    )
    assert not Path("base.json").exists()


def test_a_file_that_is_there_is_replaced_only_where_that_is_said(
    record: Record, capsys: Printed
) -> None:
    saved(record)
    before = Path("base.json").read_text()
    main(["run", "--time-limit", "60"])
    capsys.readouterr()

    assert main(["baseline", "save", "base.json"]) == 2
    assert capsys.readouterr().err == (
        "base.json: there is a file of this name\n"
        "  hint: name another file, or replace it with --force; `harness baseline show` says what "
        "it is\n"
    )
    assert Path("base.json").read_text() == before
    assert main(["baseline", "save", "base.json", "--force"]) == 0
    assert f"run {run_id()}" in capsys.readouterr().out
    assert Path("base.json").read_text() != before


def test_other_names_are_refused(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    main(["run"])
    capsys.readouterr()

    assert main(["baseline", "save", "base"]) == 2
    assert capsys.readouterr().err == (
        "base: the name of a baseline file must end in .json\n  did you mean: base.json\n"
    )


def test_a_missing_file_is_said_before_anything_is_generated(
    record: Record, capsys: Printed
) -> None:
    record({"base": ALL})

    assert main(["run", "--baseline", "bsae.json"]) == 2
    assert capsys.readouterr().err == (
        "--baseline bsae.json: there is no such file\n"
        f"  found: nothing at {Path('bsae.json').absolute()}\n"
    )
    assert not Path("reports/latest").exists()


def test_a_truncated_file_is_refused(record: Record, capsys: Printed) -> None:
    saved(record)
    text = Path("base.json").read_text()
    Path("base.json").write_text(text[: len(text) // 2])
    capsys.readouterr()

    assert main(["run", "--baseline", "base.json"]) == 2
    assert capsys.readouterr().err.startswith("base.json:")


def test_a_baseline_of_another_version_of_the_suite_is_no_comparison(
    record: Record, capsys: Printed
) -> None:
    saved(record)
    suite = Path("suites/colours.yaml")
    suite.write_text(suite.read_text().replace("Say red.", "Say the word red."))
    capsys.readouterr()

    assert main(["run", "--baseline", "base.json"]) == 3
    assert scorecard()["verdict"] == "error"
    printed = " ".join(capsys.readouterr().out.split())
    assert "no case could be compared with base-committed" in printed
    assert (
        "12 cases not compared with base-committed: the case itself (its messages or checks)"
        " differs" in printed
    )


def test_a_suite_that_the_file_does_not_know_leaves_the_replacement_open(
    record: Record, capsys: Printed
) -> None:
    saved(record)
    Path("suites/shades.yaml").write_text(
        "suite: shades\ncategory: c\ngate: {min_pass_rate: 0.5}\n"
        "cases: [{id: s1, user: Say red., checks: [{contains: red}]}]\n"
    )
    rows = Path("answers.jsonl").read_text()
    Path("answers.jsonl").write_text(rows + '{"case": "s1", "response": "red"}\n')
    capsys.readouterr()

    assert main(["run", "--baseline", "base.json"]) == 4
    printed = " ".join(capsys.readouterr().out.split())
    assert (
        "? INCONCLUSIVE No decision on base: shades could not be compared, base-committed has no "
        "result there." in printed
    )
    assert (
        "warning: shades: not compared, the baseline has no result in it: save the baseline again "
        "from a run of all suites, or judge by the bars alone with --baseline none" in printed
    )
    assert scorecard()["verdict"] == "inconclusive"


def test_an_earlier_run_is_compared_against_under_a_name_of_its_own(
    record: Record, capsys: Printed
) -> None:
    record({"base": ALL, "new": ALL})
    main(["run"])
    first = run_id()
    record({"new": WORSE})
    capsys.readouterr()

    assert main(["run", "--baseline", f"{first[:-2]}:new"]) == 1
    name = f"new-{first.rpartition('-')[2]}"
    assert scorecard()["run"]["baseline"] == name  # type: ignore[index]
    assert scorecard()["run"]["source"] == f"{first}:new"  # type: ignore[index]
    summary = f"✗ REGRESSED  new must not replace {name}: it got worse in colours."
    assert summary in capsys.readouterr().out


@pytest.mark.parametrize(
    ("baseline", "note"),
    [
        ("base.json", "base: answers of base.json, variant base of run {run}"),
        ("latest:new", "new-{end}: answers of variant new of run {run}"),
        ("reports/latest:new", "new-{end}: answers of variant new of run {run}"),
    ],
)
def test_a_run_says_whose_answers_the_baseline_has(
    record: Record, capsys: Printed, baseline: str, note: str
) -> None:
    record({"base": ALL, "new": ALL})
    main(["run"])
    main(["baseline", "save", "base.json"])
    run = run_id()
    record({"new": ALL})
    capsys.readouterr()

    said = f"note: {note.format(run=run, end=run.rpartition('-')[2])}"
    main(["run", "--baseline", baseline])
    assert " ".join(capsys.readouterr().out.split()).count(said) == 1
    main(["show"])
    assert " ".join(capsys.readouterr().out.split()).count(said) == 1


@pytest.mark.parametrize("baseline", ["latest:new", "reports/latest:new", "base.json"])
def test_a_run_is_shown_again_with_the_baseline_it_had(
    record: Record, capsys: Printed, baseline: str
) -> None:
    record({"base": ALL, "new": ALL})
    main(["run"])
    main(["baseline", "save", "base.json"])
    record({"new": WORSE})
    capsys.readouterr()
    main(["run", "--baseline", baseline])
    printed = capsys.readouterr().out

    assert main(["show"]) == 1
    assert capsys.readouterr().out == printed


def test_a_baseline_that_is_gone_is_said(record: Record, capsys: Printed) -> None:
    saved(record)
    record({"new": ALL})
    main(["run", "--baseline", "base.json"])
    Path("base.json").unlink()
    capsys.readouterr()

    assert main(["show"]) == 4
    printed = " ".join(capsys.readouterr().out.split())
    assert (
        "warning: the baseline base.json cannot be read any more: cannot read the baseline: "
        "No such file or directory" in printed
    )


def test_a_run_against_a_file_saves_the_variant_that_answered(
    record: Record, capsys: Printed
) -> None:
    saved(record)
    record({"new": "-" + ALL[1:]})
    main(["run", "--baseline", "base.json"])
    capsys.readouterr()

    assert main(["baseline", "save", "next.json"]) == 0
    assert capsys.readouterr().out.startswith(f"baseline new: run {run_id()}, ")
    assert main(["run", "--baseline", "latest"]) == 0, "its only variant that answered"
    assert scorecard()["run"]["source"] == f"{run_id_of(1)}:new"  # type: ignore[index]


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        (
            "latest",
            "run {run} has several variants: say which to compare\n"
            "  expected: latest:base or latest:new\n",
        ),
        (
            "latest:nwe",
            "variant 'nwe' is not part of run {run}\n  expected: base, new\n  did you mean: new\n",
        ),
        (
            "bsae",
            "--baseline 'bsae' names no variant of this run, and no earlier run\n"
            "  expected: one of base, new; a run (`harness runs` lists them); FILE.json\n"
            "  did you mean: base\n",
        ),
        (
            "latest:",
            "the name of the variant is missing after the colon\n  found: latest:\n"
            "  expected: latest or latest:NAME\n",
        ),
        (
            "reports/bsae",
            "--baseline reports/bsae: there is no such file or folder\n"
            "  found: nothing at {here}/reports/bsae\n",
        ),
        (
            "latest:new",
            "--baseline latest:new: suite colours: 1 case ended in an error, max_errors is 0\n",
        ),
    ],
)
def test_what_is_no_fair_baseline_is_refused(
    record: Record, capsys: Printed, baseline: str, message: str
) -> None:
    record({"base": ALL, "new": ALL[1:]})
    main(["run"])
    capsys.readouterr()

    assert main(["run", "--baseline", baseline]) == 2
    assert capsys.readouterr().err == message.format(run=run_id(), here=Path.cwd())


def test_what_differs_between_the_runs_is_refused_and_said(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    main(["run"])
    Path("suites/colours.yaml").write_text(
        Path("suites/colours.yaml").read_text() + "defaults: {sampling: {max_new_tokens: 7}}\n"
    )
    capsys.readouterr()

    assert main(["run", "--baseline", "latest"]) == 3
    printed = " ".join(capsys.readouterr().out.split())
    name = f"base-{run_id_of(1).rpartition('-')[2]}"
    assert f"12 cases not compared with {name}: the suite's sampling differs" in printed


@pytest.mark.parametrize("baseline", ["base.json", "RUN:base"])
def test_a_baseline_of_another_engine_is_refused_before_anything_is_generated(
    record: Record, capsys: Printed, baseline: str
) -> None:
    saved(record)
    first = run_id()
    named = baseline.replace("RUN", first)
    capsys.readouterr()

    adapters = ["--adapter", "new=adapters/new", "--adapter", "old=adapters/old"]
    assert main(["run", "--backend", "echo", *adapters, "--baseline", named]) == 2
    found = "  found: the environment (engine replay → echo) differs\n"
    hint = (
        "  hint: run both in the same environment: take the baseline from a run in this one, or "
        "run in that of the baseline; --baseline none judges by the bars alone\n"
    )
    pair = f"can be compared with variant base of run {first}"
    assert capsys.readouterr().err == (
        f"--baseline {named}: no case of variant new {pair}\n{found}{hint}"
        f"--baseline {named}: no case of variant old {pair}\n{found}2 problems\n"
    )
    assert run_id() == first, "no run was begun"


def test_a_baseline_of_another_engine_that_knows_none_of_the_suites_is_no_hindrance(
    record: Record,
) -> None:
    """Nothing would be compared in the same environment either: bars are what is left."""
    saved(record)
    suite = Path("suites/colours.yaml")
    suite.write_text(suite.read_text().replace("suite: colours", "suite: shades"))

    assert main(["run", "--backend", "echo", "--baseline", "base.json"]) == 4


def run_id_of(number: int) -> str:
    with Store(Path(".harness/store.db")) as store:
        return store.runs()[number].id
