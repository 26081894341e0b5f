"""`harness runs`, `show RUN` and `rescore`: what earlier runs left, without any engine."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.backends import Completion, Request
from harness.cli import main
from harness.common import InputError, Problem
from harness.evaluation import run_suites
from harness.store import Remark, ResultRow, Store, remarks
from tests.embedded import ROOT
from tests.evaluation.engines import ScriptedEngine
from tests.recorded_project import Record

ALL = "++++++++++++"
Printed = pytest.CaptureFixture[str]


def run_id(number: int = 0) -> str:
    """The id of a run, newest first."""
    with Store(Path(".harness/store.db")) as store:
        return store.runs()[number].id


def test_runs_are_listed_newest_first(record: Record, capsys: Printed) -> None:
    record({"base": ALL, "new": ALL})
    main(["run"])
    main(["run"])
    capsys.readouterr()

    assert main(["runs"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    head = ["run", "label", "verdict", "took", "answers", "engine", "model", "variants", "suites"]
    assert lines[0] == head
    assert lines[1][:4] == [run_id(), "–", "✓", "pass"]
    which = ["replay", "recorded", "base,", "new", "colours"]
    assert lines[1][6:] == ["0", "new,", "24", "stored", *which]
    assert lines[2][6:] == ["24", "new,", "0", "stored", *which]


def test_a_run_that_was_killed_says_what_it_has(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    main(["run"])
    with Store(Path(".harness/store.db")) as store:
        killed = replace(store.runs()[0], id="killed", finished=False, generated=0)
        store.start_run(killed)
        store.put_results("killed", [ResultRow(0, next(store.results(run_id(1))))])
    capsys.readouterr()

    main(["runs"])
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split() == [
        *["killed", "–"],
        *["not", "finished", "–", "1", "result", "replay", "recorded", "base", "colours"],
    ]


def test_a_run_has_a_label_and_a_note(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    assert main(["run", "--label", "first try", "--note", "before the tokenizer changed"]) == 0
    assert main(["run", "--label", "second"]) == 0
    capsys.readouterr()

    assert main(["runs"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert [("first try" in row, "second" in row) for row in rows[1:]] == [
        (False, True),
        (True, False),
    ]
    assert main(["runs", "--labelled", "first*"]) == 0
    assert [row.split()[0] for row in capsys.readouterr().out.splitlines()[1:]] == [run_id(1)]
    assert main(["runs", "--labelled", "third"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert main(["show", run_id(1)]) == 0
    head = capsys.readouterr().out.splitlines()[:2]
    assert head == ["label  first try", "note   before the tokenizer changed"]

    assert main(["runs", "latest", "--label", "", "--note", "two\nlines"]) == 0
    assert capsys.readouterr().out.endswith("\nnote: two\nlines\n")
    assert main(["runs", "--json", "--most", "1"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["label"], row["note"], row["verdict"]) == ("", "two\nlines", "pass")
    assert (row["models"], row["suites"], row["partial"]) == (["recorded"], ["colours"], [])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["runs", "--label", "x"],
            "which run is meant?\n  expected: RUN\n"
            "  hint: name it: harness runs latest --label TEXT; those that have a label: "
            "--labelled TEXT\n",
        ),
        (["runs", "gone", "--label", "x"], "no run is called 'gone'\n"),
        (
            ["runs", "latest", "--label", "x" * 81],
            f"the label is no short line\n  found: '{'x' * 60}'...\n"
            "  expected: one line of 80 characters at most\n"
            "  hint: a longer text is a note: --note TEXT\n",
        ),
        (["run", "--label", "a\nb"], "the label is no short line\n  found: 'a\\nb'\n"),
        (
            ["runs", "latest", "--note", "x" * 10_001],
            "the note is too long\n  found: 10,001 characters\n  expected: 10,000 at most\n",
        ),
    ],
)
def test_labels_that_are_refused(
    record: Record, capsys: Printed, words: list[str], said: str
) -> None:
    record({"base": ALL})
    main(["run"])
    capsys.readouterr()

    assert main(words) == 2
    assert capsys.readouterr().err.startswith(said)
    with Store(Path(".harness/store.db")) as store:
        assert (len(store.runs()), remarks(store)) == (1, {})


def test_labels_go_with_their_run_when_a_store_is_split(record: Record) -> None:
    record({"base": ALL})
    main(["run", "--label", "kept"])
    assert main(["cache", "split", "--into", "nights"]) == 0
    parts = [str(path) for path in Path("nights").glob("*.db")]
    assert main(["cache", "join", *parts, "--store", "joined.db"]) == 0
    with Store(Path("joined.db")) as store:
        assert remarks(store) == {run_id(): Remark("kept")}


@pytest.mark.parametrize("words", [["runs"], ["show"], ["rescore"], ["cache"], ["cache", "prune"]])
def test_reading_makes_no_store(project: Path, capsys: Printed, words: list[str]) -> None:
    assert main([*words, "--store", "absent.db"]) == 2
    assert capsys.readouterr().err == (
        "absent.db: there is no store here: nothing was run yet\n"
        "  hint: `harness run` makes it; --store FILE names another\n"
    )
    assert not Path("absent.db").exists()


def test_options_that_would_change_nothing_are_unknown(project: Path, capsys: Printed) -> None:
    assert main(["runs", "--adapter", "x=y"]) == 2
    assert capsys.readouterr().err.startswith("unknown option '--adapter'\n")


def test_a_run_is_shown_with_its_exit_code(record: Record, capsys: Printed) -> None:
    record({"base": ALL, "new": "-------+++++"})
    main(["run"])
    shown = capsys.readouterr().out

    assert main(["show", run_id()]) == 1
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize("name", ["latest", "2"])
def test_a_run_is_found_by_less_than_its_id(record: Record, name: str) -> None:
    record({"base": ALL})
    main(["run"])

    assert main(["show", name]) == 0


@pytest.mark.parametrize(
    "words",
    [["show"], ["show", "latest"], ["rescore"], ["baseline", "save", "b.json"]],
    ids=" ".join,
)
def test_latest_is_the_newest_run_that_finished(
    record: Record, capsys: Printed, words: list[str]
) -> None:
    record({"base": ALL})
    assert main(["run"]) == 0
    whole = run_id()
    assert main(broken_run()) == 3
    broken = run_id()
    capsys.readouterr()

    assert main(words) == 0
    printed = capsys.readouterr()
    assert whole in printed.out
    assert broken not in printed.out
    if words[0] != "rescore":
        assert printed.err == f"note: run {broken} is newer, and did not finish\n"


def test_latest_is_the_newest_run_where_none_finished(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    assert main(broken_run()) == 3
    capsys.readouterr()

    assert main(["show"]) == 3
    assert run_id() in capsys.readouterr().out


def broken_run() -> list[str]:
    """Return a run that its time limit ends before the first answer."""
    slow = ["--engine-arg", "delay=0.3", "--time-limit", "0.05"]
    return ["run", "--backend", "echo", "--responses", "answers.jsonl", *slow]


def test_an_unknown_run(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    main(["run"])
    capsys.readouterr()

    assert main(["show", run_id() + "x"]) == 2
    assert capsys.readouterr().err == (
        f"no run is called '{run_id()}x'\n"
        f"  did you mean: {run_id()}\n"
        "  hint: `harness runs` lists them; `latest` is the newest that finished\n"
    )


def test_the_beginning_of_several_runs(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    main(["run"])
    main(["run"])
    capsys.readouterr()

    assert main(["show", "2"]) == 2
    assert capsys.readouterr().err == (
        f"'2' is the beginning of 2 runs\n  found: {run_id()}, {run_id(1)}\n"
        "  hint: type more of the id\n"
    )


def test_a_changed_check_changes_the_verdict_without_an_engine(
    record: Record, capsys: Printed
) -> None:
    record({"base": "-++++++++++", "new": "-++++++++++"})
    suite = Path("suites/colours.yaml")
    suite.write_text("".join(suite.read_text().splitlines(keepends=True)[:-1]))
    main(["run"])
    suite.write_text(suite.read_text().replace("contains: red", "contains: blue"))
    Path("answers.jsonl").unlink()
    capsys.readouterr()

    assert main(["rescore"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"run {run_id()}: 22 results, 22 outcomes change"
    assert out[1:3] == ["  fail → pass: 2", "  pass → fail: 20"]
    assert out[3] == "  colours c00[base]: fail → pass"
    assert out[-3:] == [
        "colours, new: pass → below_threshold",
        "under today's checks:",
        "  ✗ BELOW THRESHOLD: new must not replace base: it is below the bar in colours; base is "
        "below it too, so the suite, a check or the bar may be wrong.",
    ]


def test_the_suites_are_those_of_the_run(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    Path("suites").rename("elsewhere")
    main(["run", "elsewhere"])
    capsys.readouterr()

    assert main(["rescore"]) == 0
    assert capsys.readouterr().out == (
        f"run {run_id()}: 12 results, 0 outcomes change\n"
        "under today's checks:\n"
        "  ✓ PASS: base may be deployed: every suite passes.\n"
    )


def test_the_exit_code_of_a_run_without_a_gate_is_explained(
    record: Record, capsys: Printed
) -> None:
    suite = Path("suites/colours.yaml")
    suite.write_text(suite.read_text().replace("gate: {min_pass_rate: 0.5}\n", ""))
    record({"base": ALL})

    assert main(["run"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert "· base is not judged: nothing was gated." in out
    assert "warning: nothing was gated: no suite has a bar, and there is no baseline" in out
    assert out[-1] == "exit code 0: nothing was gated, so nothing failed"

    assert main(["rescore"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "under today's checks:",
        "  · NO VERDICT: base is not judged: nothing was gated.",
        "  warning: nothing was gated: no suite has a bar, and there is no baseline",
        "exit code 0: nothing was gated, so nothing failed",
    ]


def test_a_suite_that_is_gone_is_said(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    main(["run"])
    Path("suites").rename("elsewhere")
    capsys.readouterr()

    assert main(["rescore"]) == 2
    assert capsys.readouterr().err == (
        f"suites/colours.yaml: suite colours of run {run_id()} is not there any more\n"
        "  hint: name the files where the suites are now: "
        f"harness rescore {run_id()} FILE\n"
    )
    assert main(["rescore", "latest", "elsewhere"]) == 0


def test_a_suite_of_the_run_may_not_be_left_out(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    main(["run"])
    other = Path("other.yaml")
    other.write_text("suite: other\ncategory: c\ncases: [{id: o, user: x, checks: [json]}]\n")
    capsys.readouterr()

    assert main(["rescore", "latest", "other.yaml"]) == 2
    assert capsys.readouterr().err == (
        f"run {run_id()} has suites that are not named: colours\n"
        "  found: other\n"
        f"  hint: name all of them, or none: harness rescore {run_id()}\n"
    )


def test_a_run_that_was_refused_before_any_answer_is_none(record: Record, capsys: Printed) -> None:
    record({"base": ALL})
    responses = ["--backend=replay", "--responses=answers.jsonl"]
    Path("harness.toml").write_text('suites = ["suites"]\n')
    local = ["run", "--backend=hf", "--device=cpu", f"--model={ROOT / 'fixtures' / 'model'}"]
    remote = [*local, "--ray=127.0.0.1:1", "--label=refused"]
    assert main(remote) == 2
    assert "no Ray cluster answers at 127.0.0.1:1" in capsys.readouterr().err
    assert main(["export", "latest", "--to", "csv"]) == 2
    assert main(["show", "latest"]) == 2
    assert main(["run", *responses]) == 0
    assert main(remote) == 2
    with Store(Path(".harness/store.db")) as store:
        assert [run.backend for run in store.runs()] == ["replay"]
        assert remarks(store) == {}


@pytest.mark.parametrize("answered", [0, 2])
def test_what_was_answered_before_a_refusal_is_kept(
    answered: int, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def say(request: Request) -> Completion:
        if len(engine.asked) > answered:
            raise InputError(Problem("this model is none"))
        return Completion("red", "stop")

    engine = ScriptedEngine(say)
    record({})
    suite = Path("suites/colours.yaml")
    asked = re.sub(r"id: (c\d+), user: Say", r"id: \1, user: \1! Say", suite.read_text())
    suite.write_text(asked)
    Path("harness.toml").write_text('suites = ["suites"]\n')
    opening = sys.modules[run_suites.__module__]
    monkeypatch.setattr(opening, "open_backend", lambda name, options: engine)

    assert main(["run", "--backend=echo", "--model=m"]) == 2
    with Store(Path(".harness/store.db")) as store:
        found = [sum(bool(r.responses) for r in store.results(run.id)) for run in store.runs()]
    assert found == ([answered] if answered else [])
