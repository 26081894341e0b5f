"""The package from Python: light to import, and typed values for what the commands do."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.backends import BackendOptions, Completion, Request, check_backend, registry
from harness.common import Variant
from harness.scorers import Answer, Context, Finding, forget, get
from harness.training.repair import FixOptions
from tests.recorded_project import Record, recorder, write_project


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return recorder(tmp_path)


def test_the_package_imports_none_of_its_rooms() -> None:
    code = "import sys, harness; print([n for n in sys.modules if n.startswith('harness.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    assert [name for name in harness.__all__ if not hasattr(harness, name)] == []
    assert set(harness.__all__) <= set(dir(harness))
    with pytest.raises(AttributeError):
        getattr(harness, "comp" + "ete")


def test_a_run_is_returned_as_values(record: Record) -> None:
    record({"base": "+" * 12, "new": "++++++------"})
    report = harness.run()

    assert isinstance(report, harness.RunReport)
    assert report.exit_code == 1
    assert report.gate.verdict is harness.Verdict.REGRESSED
    failed = [r.case for r in report.results() if r.outcome is harness.Outcome.FAIL]
    assert failed == ["c06", "c07", "c08", "c09", "c10", "c11"]


def test_suites_are_files_or_values(record: Record) -> None:
    record({"base": "+" * 12})
    suites = harness.load_suites(["suites"])

    for given in ("suites/colours.yaml", Path("suites"), suites[0], suites, ["suites"]):
        report = harness.run(given)
        assert [suite.name for suite in report.info.suites] == ["colours"]


def test_options_are_those_of_the_command_line(record: Record) -> None:
    with pytest.raises(harness.InputError, match="did you mean: adapter"):
        harness.run(adaptor=["new=x"])
    report = harness.run(backend="echo", responses=None)

    assert report.info.backend == "echo"


def test_recorded_answers_are_scored(record: Record, tmp_path: Path) -> None:
    record({"base": "+" * 12, "new": "+++++++++++-"})
    (tmp_path / "answers.jsonl").rename(tmp_path / "others.jsonl")
    report = harness.score("suites", responses="others.jsonl")

    rates = {row.variant: row.rate.pass_rate for row in report.gate.suites}
    assert rates == {"base": 1.0, "new": pytest.approx(11 / 12)}


def test_runs_are_compared_and_read_again(record: Record, tmp_path: Path) -> None:
    record({"base": "+" * 12})
    first = harness.run()
    record({"base": "++++++------"})
    second = harness.run()
    compared = harness.compare(first.info.id, "latest")

    assert isinstance(compared, harness.ComparisonReport)
    assert compared.exit_code == 1
    for name in ("latest", second.info.id, second.paths.directory, "reports/latest"):
        assert harness.load_run(name).info.id == second.info.id
    assert harness.load_run(first.info.id).info.id == first.info.id
    shutil.rmtree(first.paths.directory)
    again = harness.load_run(first.info.id)
    assert len(list(again.results())) == 12
    with pytest.raises(harness.InputError, match="no run is called 'nothing'"):
        harness.load_run("nothing")


# -- suites, checks and backends from code ---------------------------------------------------------


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An empty folder; checks and backends that a test makes are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_MADE_HERE", {})
    yield
    for name in ("loud", "graded", "odd"):
        forget(name)


def hello(*checks: object, **keys: Any) -> harness.Suite:
    return harness.make_suite("hello", [{"id": "hi", "user": "Hi", "checks": checks}], **keys)


def test_a_suite_of_values_is_that_of_a_file(own: None, tmp_path: Path) -> None:
    text = "suite: hello\ncategory: hello\ncases: [{id: hi, user: Hi, checks: [{contains: Hi}]}]\n"
    tmp_path.joinpath("hello.yaml").write_text(text)
    of_file = harness.load_suites(["hello.yaml"])[0]
    made = hello({"contains": "Hi"})

    assert made.cases[0].hash == of_file.cases[0].hash
    assert made.path.endswith("test_api.py")
    assert harness.run(made, backend="echo").exit_code == 0


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ([{"contians": "x"}], "check 'contians' is not known"),
        ([len], "suite 'hello': len is no value of a suite file"),
        ([{"numeric": {"equals": float("nan")}}], "suite 'hello': Out of range float values"),
    ],
)
def test_what_is_wrong_in_code_is_told_with_its_line(
    own: None, checks: list[object], message: str
) -> None:
    with pytest.raises(harness.InputError) as caught:
        hello(*checks)

    problem = caught.value.problems[0]
    assert problem.message.startswith(message)
    assert problem.path.endswith("test_api.py") and problem.line > 0


def test_a_function_is_a_check(own: None) -> None:
    @harness.check
    def loud(answer: Answer, context: Context, signs: str = "!") -> bool:
        """It is loud, and louder than the question."""
        return signs in answer.text and signs not in context.user

    @harness.check(version=3)
    def graded(answer: Answer, high: float = 0.5) -> float | None:
        return None if answer.text == "?" else high

    report = harness.run(
        hello(loud, {"loud": {"signs": "Hi"}}, {"loud": "?"}, graded, {"graded": 0.1}),
        backend="echo",
    )
    first = next(report.results())
    assert [each.passed for each in first.checks] == [False, False, False, True, False]
    assert report.info.scorers["graded"] == 3
    assert get("loud").summary == "It is loud, and louder than the question."


def test_a_cell_that_is_run_again_is_another_version(own: None) -> None:
    @harness.check(name="loud")
    def first(answer: Answer) -> bool:
        return "!" in answer.text

    before = get("loud").version

    @harness.check(name="loud")
    def second(answer: Answer) -> bool:
        return "!!" in answer.text

    assert get("loud").version != before
    assert get("loud").function(Answer("!"), Context(), get("loud").args()).passed is False


def test_a_check_that_breaks_is_machinery(own: None) -> None:
    @harness.check
    def odd(answer: Answer) -> Finding:
        raise KeyError(answer.text)

    report = harness.run(hello(odd), backend="echo")

    assert report.exit_code == 3
    assert next(report.results()).outcome is harness.Outcome.ERROR


def test_what_cannot_be_a_check_is_told(own: None) -> None:
    for name, function, message in (
        ("contains", lambda answer: True, "there is a check 'contains' already"),
        ("", lambda answer: True, "a check cannot be called '<lambda>'"),
        ("odd", lambda answer, *rest: True, "odd cannot be a check"),
        ("odd", lambda: True, "odd cannot be a check"),
    ):
        with pytest.raises(harness.InputError, match=message):
            harness.check(name=name)(function)


def test_a_function_is_a_backend(own: None) -> None:
    asked: list[str] = []

    @harness.backend("shout")
    def shout(request: Request) -> str | Completion:
        asked.append(request.variant.name)
        if request.variant.name == "broken":
            raise ConnectionError("nobody is there")
        if request.variant.name == "odd":
            return Completion("HI", "length", 1, 2)
        return request.prompt.messages[-1].content.upper()

    suite = hello({"equals": "HI"})
    variants = {"odd": {"system": "Be odd."}, "broken": {"system": "Be broken."}}
    report = harness.run(suite, backend="shout", variants=variants)

    found = {r.variant: (r.outcome.value, r.finish_reason) for r in report.results()}
    assert found["base"] == ("pass", "stop")
    assert found["broken"][0] == "error"
    assert found["odd"][1] == "length"
    assert report.exit_code == 3
    again = harness.run(suite, backend="shout")
    assert asked.count("base") == 1 and again.info.cached == 1
    options = BackendOptions((Variant("base", "shout"),))
    assert check_backend(registry._MADE_HERE["shout"], options) == ()


def test_another_source_is_asked_again(own: None) -> None:
    @harness.backend("shout")
    def one(request: Request) -> str:
        return "HI"

    assert harness.run(hello({"equals": "HI"}), backend="shout").exit_code == 0

    @harness.backend("shout")
    def other(request: Request) -> str:
        return "HO"

    assert harness.run(hello({"equals": "HI"}), backend="shout").info.generated == 1


def test_what_cannot_be_a_backend_is_told(own: None) -> None:
    async def later(request: Request) -> str:
        return ""

    def returns_nothing(request: Request) -> Any:
        return None

    with pytest.raises(harness.InputError, match="backend 'later' is an async function"):
        harness.backend("later")(later)  # type: ignore[type-var]  # what the test is about
    with pytest.raises(harness.InputError, match="there is a backend 'echo' already"):
        harness.backend("echo")(returns_nothing)
    with pytest.raises(harness.InputError, match="the source of backend 'typed' cannot be read"):
        harness.backend("typed")(eval("lambda request: 'x'"))
    harness.backend("nothing")(returns_nothing)
    result = next(harness.run(hello({"contains": "x"}), backend="nothing").results())
    assert "nothing returned NoneType, wanted a str or a Completion" in result.reason


# -- in a notebook ---------------------------------------------------------------------------------


def test_a_cell_runs_where_an_event_loop_runs(record: Record) -> None:
    record({"base": "+" * 12})

    async def cell() -> harness.RunReport:
        return harness.run("suites")

    assert asyncio.run(cell()).exit_code == 0


def test_values_are_short_in_print_and_escaped_in_tables(own: None) -> None:
    evil = "<script>alert(1)</script>\u202e"
    suite = harness.make_suite(
        "evil", [{"id": "one", "user": evil, "checks": [{"contains": "<b>"}]}], description=evil
    )
    report = harness.run(suite, backend="echo", variants={"other": {"system": evil}})
    saved, result = harness.load_run(), next(report.results())
    compared = harness.compare("latest:base", "latest:other")

    for value in (suite, suite.cases[0], report, saved, result, compared):
        assert len(repr(value)) < 160 and "\n" not in repr(value)
    for value in (suite, report, saved, result, compared):
        page = value._repr_html_()
        assert "<script" not in page and "<b>" not in page and "\u202e" not in page
        assert page.count("<table>") == page.count("</table>") > 0
    assert "alert" in suite._repr_html_() and "alert" in result._repr_html_()
    assert report._repr_html_() == saved._repr_html_()
    assert "0/1" in report._repr_html_() and str(report.paths.html) in report._repr_html_()


def test_frames_have_prompts_and_reasoning(own: None, tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    row = '{"case": "hi", "variant": "base", "response": "<think>Well.</think>Hi"}\n'
    tmp_path.joinpath("answers.jsonl").write_text(row)
    suite = hello({"contains": "Hi"}, defaults={"system": "Be kind."})
    report = harness.score(suite, responses=tmp_path / "answers.jsonl")
    frames = [report.to_frame(), harness.load_run().to_frame()]

    for frame in frames:
        assert frame["question"].tolist() == ["Hi"]
        assert [m["role"] for m in frame["prompt"][0]] == ["system", "user"]
        assert frame["reasoning"].tolist() == ["Well."]
    many = replace(report, kept=tuple(report.results()) * 2).to_frame()
    assert len(many) == 2


# -- repairs ---------------------------------------------------------------------------------------


def test_a_repair_is_told_what_the_command_is_told(record: Record) -> None:
    record({"base": "+" * 12})
    harness.run()
    assert harness.fix() is None
    assert harness.fix("latest", dry_run=True) is None

    record({"base": "+" * 12, "new": "-" * 12})
    harness.run()
    with pytest.raises(harness.InputError, match="does not say what repairs it"):
        harness.fix(dry_run=True)
    with pytest.raises(harness.InputError) as caught:
        harness.fix(rounds=0, paraphrases=2)
    assert [problem.message for problem in caught.value.problems] == [
        "--paraphrases is 3, 4 or 5",
        "--rounds is 1 or more",
    ]
    with pytest.raises(harness.InputError, match="there are none"):
        FixOptions(paraphrases=3)


def test_a_run_loads_no_library_of_models(tmp_path: Path) -> None:
    code = (
        "import sys, harness\n"
        "s = harness.make_suite('s', [{'id': 'a', 'user': 'Hi', 'checks': [{'contains': 'Hi'}]}])\n"
        "harness.run(s, backend='echo')\n"
        "print({'torch', 'transformers', 'pandas', 'peft', 'datasets'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )

    assert done.stdout.strip() == "set()"
