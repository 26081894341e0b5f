"""Today's checks on yesterday's answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.backends import Completion, Request
from harness.common import InputError, Sampling, Variant
from harness.evaluation import describe_variant, execute, make_plan, rescore
from harness.results import Outcome
from harness.store import Store
from harness.suites import Case, HaystackSpec
from harness.suites.haystack import expand
from tests.evaluation.engines import ScriptedEngine, last_user_turn
from tests.evaluation.worlds import BASE, case, record, suite

OWN = Variant("own", "m", system="Mine.", sampling=Sampling(temperature=0.5))


def ran(path: Path, *cases: Case) -> None:
    """A finished run of these cases on two variants; one case breaks."""

    def say(request: Request) -> Completion:
        if request.address.case == "broken":
            return Completion("", "error", error="out of memory")
        return last_user_turn(request)

    engine = ScriptedEngine(say)
    plan = make_plan([suite(*cases)], [BASE, OWN], engine)
    variants = tuple(describe_variant(variant, engine) for variant in (BASE, OWN))
    with Store(path) as store:
        store.start_run(replace(record(), variants=variants))
        execute(plan, engine, store, "run")


def again(path: Path, *cases: Case) -> list[tuple[str, str, str]]:
    """Outcomes before and after, with the reason, on the variant with overrides."""
    with Store(path) as store:
        return [
            (str(one.before.outcome), str(one.after.outcome), one.after.reason)
            for one in rescore("run", [suite(*cases)], store)
            if one.before.variant == "own"
        ]


def test_unchanged_checks_give_the_same_results(tmp_path: Path) -> None:
    spec = HaystackSpec(id="n", lengths=(200,), depths=(0.5,), seeds=1, keys=4, values=3)
    hay = expand(spec)[0]
    cases = [
        case("a", "one", "two"),
        case("b", check={"contains": "no"}),
        case("broken"),
        replace(case(hay.id, hay.question), haystack=hay),
    ]
    ran(tmp_path / "db", *cases)

    with Store(tmp_path / "db") as store:
        pairs = list(rescore("run", [suite(*cases)], store))

    assert len(pairs) == 8
    assert [pair.after for pair in pairs] == [pair.before for pair in pairs]
    assert not any(pair.changed for pair in pairs)


def test_a_changed_check_changes_the_outcome(tmp_path: Path) -> None:
    ran(tmp_path / "db", case("a"), case("b"))

    found = again(
        tmp_path / "db", case("a", check={"contains": "a"}), case("b", check={"contains": "no"})
    )

    assert found[0] == ("pass", "pass", "")
    assert found[1][:2] == ("pass", "fail")


def test_a_changed_question_is_not_judged_by_the_old_answer(tmp_path: Path) -> None:
    ran(tmp_path / "db", case("a"), case("b", system="Be."), case("c"), case("d", "x", "y"))

    found = again(
        tmp_path / "db",
        case("a", "another question"),
        case("b", system="Overridden by the variant anyway."),
        case("d", "x", "z"),
    )

    assert found == [
        ("pass", "error", "the case asks something else now: run it again"),
        ("pass", "pass", ""),
        ("pass", "error", "the case is in none of these suites"),
        ("pass", "error", "the case asks something else now: run it again"),
    ]


def test_a_trial_without_an_answer_stays_as_it_was(tmp_path: Path) -> None:
    ran(tmp_path / "db", case("broken"))

    assert again(tmp_path / "db", case("broken", check={"contains": "x"})) == [
        ("error", "error", "no answer: out of memory")
    ]


def test_an_unknown_run_is_the_users_error(tmp_path: Path) -> None:
    with Store(tmp_path / "db") as store, pytest.raises(InputError, match="'nope'"):
        list(rescore("nope", [], store))


def test_what_broke_a_check_may_pass_now(tmp_path: Path) -> None:
    ran(tmp_path / "db", case("a", check="test_raising"))

    with Store(tmp_path / "db") as store:
        pairs = list(rescore("run", [suite(case("a"))], store))

    assert [(p.before.outcome, p.after.outcome) for p in pairs] == [
        (Outcome.ERROR, Outcome.PASS)
    ] * 2
    assert all(pair.changed for pair in pairs)
