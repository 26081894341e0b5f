"""Early stop: what is asked, what is spared, and that the verdict is the sequential test's."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from harness.backends import open_backend
from harness.common import InputError, Variant, VariantRole
from harness.config import Settings, load_settings
from harness.evaluation import Counts, Limits, Plan, RunReport, make_plan, reopen, run_suites
from harness.evaluation.executor import Take
from harness.evaluation.sequential import LOOK, answer_early
from harness.gate import METHOD, save_baseline
from harness.results import Observer, Result, ignore
from harness.suites import load_suites
from tests.evaluation.worlds import StoreCounts

CASES = 200


def project(folder: Path, suites: Mapping[str, float], cases: int = CASES) -> Settings:
    """Suites whose candidate loses that share of its cases; the base passes all."""
    rng = random.Random(1)
    rows = []
    for suite, loss in suites.items():
        lines = "".join(
            f"  - {{id: {suite}-{n}, user: Red?, tags: [t{n % 3}], checks: [{{contains: red}}]}}\n"
            for n in range(cases)
        )
        (folder / f"{suite}.yaml").write_text(f"suite: {suite}\ncategory: c\ncases:\n{lines}")
        for number in range(cases):
            lost = rng.random() < loss
            for variant, text in (("base", "red"), ("new", "blue" if lost else "red")):
                rows.append({"case": f"{suite}-{number}", "variant": variant, "response": text})
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = {"backend": "replay", "responses": Path("answers.jsonl"), "early_stop": True}
    return load_settings(folder, given)


def run(settings: Settings) -> RunReport:
    return run_suites(settings, [str(settings.root)])


def test_a_suite_stops_when_its_regression_is_shown(tmp_path: Path) -> None:
    report = run(project(tmp_path, {"bad": 0.4, "good": 0.0}))

    bad = {row.variant: row for row in report.scorecard.rows(suite="bad")}
    assert bad["new"].rate.n == bad["base"].rate.n == LOOK
    assert bad["new"].comparison is not None
    assert (bad["new"].verdict, bad["new"].comparison.method) == ("regressed", METHOD)
    good = report.scorecard.rows(suite="good", variant="new")[0]
    assert good.rate.n == CASES
    assert good.comparison is not None
    assert (good.verdict, good.comparison.method) == ("pass", METHOD)
    assert report.exit_code == 1


def test_what_was_spared_is_said(tmp_path: Path) -> None:
    report = run(project(tmp_path, {"bad": 0.4, "good": 0.0}))

    assert report.info.notes[-2:] == (
        "bad stopped after 25 of 200 cases: a regression was shown; "
        "its figures cover what was asked",
        "early stop spared 350 of 800 answers (44 %)",
    )
    assert report.info.generated == 450
    assert report.info.execution["early stop"] == f"every 25 cases of a suite; {METHOD}"


def test_nothing_is_spared_where_nothing_is_shown(tmp_path: Path) -> None:
    report = run(project(tmp_path, {"good": 0.01}))

    assert report.info.generated == 2 * CASES
    assert not any("spared" in note for note in report.info.notes)
    assert report.exit_code == 0


def test_the_run_reads_the_same_when_it_is_opened_again(tmp_path: Path) -> None:
    settings = project(tmp_path, {"bad": 0.4})
    report = run(settings)

    assert reopen(settings, report.info.id).gate == report.gate


def test_a_stopped_run_goes_on_from_the_store(tmp_path: Path) -> None:
    settings = project(tmp_path, {"bad": 0.4})
    run(settings)
    again = run(settings)

    assert (again.info.generated, again.info.cached) == (0, 2 * LOOK)


def test_cases_come_in_a_balanced_order(tmp_path: Path) -> None:
    report = run(project(tmp_path, {"bad": 0.4}))

    asked = [result for result in report.results() if result.variant == "new"]
    tags = [sum(tag in result.tags for result in asked) for tag in ("t0", "t1", "t2")]
    assert max(tags) - min(tags) <= 1
    assert [r.case for r in asked] != sorted((r.case for r in asked), key=lambda c: int(c[4:]))


def test_a_run_that_could_stop_is_no_baseline(tmp_path: Path) -> None:
    report = run(project(tmp_path, {"good": 0.0}, cases=20))
    with pytest.raises(InputError) as caught:
        save_baseline(tmp_path / "b.json", report.info, report.results(), variant="base")

    assert str(caught.value) == (
        f"{tmp_path}/b.json: run {report.info.id} could stop early: it is no baseline"
    )


def test_a_lone_variant_is_asked_everything_with_the_usual_gate(tmp_path: Path) -> None:
    settings = project(tmp_path, {"bad": 1.0}, cases=60).model_copy(update={"baseline": "none"})
    report = run(settings)

    assert report.info.generated == 120
    assert "early stop" not in report.info.execution


def test_with_aa_only_what_was_asked_is_asked_again(tmp_path: Path) -> None:
    settings = project(tmp_path, {"bad": 0.4, "good": 0.0})
    report = run(settings.model_copy(update={"aa": True}))

    pairs = {noise.suite: noise.pairs for noise in report.scorecard.noise}
    assert pairs == {"bad": LOOK, "good": CASES}
    assert report.info.generated == 3 * (LOOK + CASES)  # two variants, and the base once more


def test_with_several_models_each_look_waits_for_twice_as_many_cases(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "suite: s\ncategory: c\ncases:\n"
        + "".join(
            f"  - {{id: s-{n}, user: '{n}', checks: [contains: '{n}']}}\n" for n in range(400)
        )
    )
    models = [Variant("base", "one", role=VariantRole.BASELINE), Variant("new", "two")]
    echo = open_backend("echo")
    plan = make_plan(load_suites([str(tmp_path / "s.yaml")]), models, echo)
    asked: list[int] = []

    def ask(part: Plan, observer: Observer, limits: Limits, take: Take) -> Counts:
        asked.append(len({trial.case.id for trial in part.trials}))
        return Counts(generated=len(part.trials))

    def look(results: Sequence[Result], so_far: Mapping[str, int]) -> frozenset[str]:
        return frozenset()

    once = answer_early(plan, ask, look, ignore, Limits())
    often, asked = asked, []
    reloading = answer_early(plan, ask, look, ignore, Limits(), reloads=True)

    assert often == [25] * 16
    assert asked == [25, 50, 100, 200, 25]
    assert once.schedule == "every 25 cases of a suite"
    assert reloading.schedule == "after 25, 75, 175, ... cases of a suite"


@pytest.mark.parametrize("cases", [50, 200, 400])
def test_the_store_is_read_as_often_whatever_the_number_of_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cases: int
) -> None:
    settings = project(tmp_path, {"good": 0.01}, cases=cases)
    before = run(settings.model_copy(update={"early_stop": False, "baseline": "none"})).info.id
    rows = [json.loads(row) for row in (tmp_path / "answers.jsonl").read_text().splitlines()]
    new = "".join(json.dumps(row) + "\n" for row in rows if row["variant"] == "new")
    (tmp_path / "answers.jsonl").write_text(new)
    counts = StoreCounts(monkeypatch)
    report = run(settings.model_copy(update={"baseline": f"{before}:base"}))

    assert report.info.generated == cases  # nothing was spared
    assert report.info.execution["early stop"] == f"every 25 cases of a suite; {METHOD}"
    assert (counts.opened, counts.read) == (2, {before: 1, report.info.id: 1})
