"""The plan: which trials, in which order, with which haystacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.backends import open_backend
from harness.common import Sampling
from harness.evaluation import make_plan
from harness.results import Outcome
from harness.store import Store
from harness.suites import Case, HaystackSpec
from harness.suites.haystack import expand
from tests.evaluation.engines import ScriptedEngine
from tests.evaluation.worlds import BASE, TUNED, case, go, suite


def haystack_case(length: int = 200, **fields: object) -> Case:
    """A case with one needle in `length` tokens."""
    spec = HaystackSpec(id="needle", lengths=(length,), depths=(0.5,), seeds=1, keys=4, values=3)
    made = case("needle", expand(spec)[0].question, sampling=Sampling(max_new_tokens=20))
    return replace(made, haystack=expand(spec)[0], **fields)  # type: ignore[arg-type]


def test_trials_go_by_suite_case_variant_and_repeat() -> None:
    suites = [suite(case("b", repeats=2)), suite(case("a"), name="t")]

    plan = make_plan(suites, [BASE, TUNED], ScriptedEngine())

    assert [(t.case.id, t.variant.name, t.repeat, t.position) for t in plan.trials] == [
        ("b", "base", 0, 0),
        ("b", "base", 1, 1),
        ("b", "tuned", 0, 2),
        ("b", "tuned", 1, 3),
        ("a", "base", 0, 4),
        ("a", "tuned", 0, 5),
    ]


def test_a_plan_without_variants_is_empty() -> None:
    assert make_plan([suite(case("a"))], [], ScriptedEngine()).trials == ()


def test_a_haystack_is_cut_by_the_whole_prompt_and_is_the_same_for_all(tmp_path: Path) -> None:
    engine = ScriptedEngine(room=500)
    cases = [haystack_case(system="You answer in one line, and in nothing but numbers.")]

    plan = make_plan([suite(*cases)], [BASE, TUNED], engine, baseline="base")
    go(tmp_path / "db", plan, engine)

    base, tuned = engine.asked
    assert base.prompt.messages == tuned.prompt.messages
    assert 180 < base.prompt.tokens <= 200
    assert [message.role for message in base.prompt.messages] == ["system", "user"]


def test_a_haystack_that_does_not_fit_is_skipped_unasked(tmp_path: Path) -> None:
    engine = ScriptedEngine(room=210)
    plan = make_plan([suite(haystack_case(required=True))], [BASE], engine)

    _, results = go(tmp_path / "db", plan, engine)

    assert plan.trials == ()
    assert engine.asked == []
    assert [(str(r.outcome), r.reason) for r in results] == [
        ("error", "does not fit the context: 200 tokens of prompt + 20 for the answer > 210")
    ]


def test_a_haystack_shorter_than_its_facts_is_skipped() -> None:
    plan = make_plan([suite(haystack_case(32, system="x " * 40))], [BASE], ScriptedEngine())

    assert [skip.fault[0] for skip in plan.skipped] == [Outcome.SKIPPED]
    assert plan.skipped[0].fault[1].endswith("tokens without any filler, and 32 are asked for")


def test_an_engine_without_a_tokenizer_is_said_to_estimate() -> None:
    plan = make_plan([suite(haystack_case())], [BASE], open_backend("echo"))

    assert plan.notes == ("the lengths of haystacks are estimates: this engine counts no tokens",)


def test_a_haystack_that_was_cut_before_is_counted_once(tmp_path: Path) -> None:
    """Searching for the length asks the tokenizer a dozen times."""
    engine, counted = ScriptedEngine(), ScriptedEngine()
    with Store(tmp_path / "db") as store:
        first = make_plan([suite(haystack_case())], [BASE], engine, memo=store)
        second = make_plan([suite(haystack_case())], [BASE], counted, memo=store)

    assert second == first
    assert engine.counted >= 10
    assert counted.counted == 1


def test_a_remembered_length_that_is_wrong_is_not_believed(tmp_path: Path) -> None:
    """Another prose or tokenizer than before: the text is cut anew."""
    engine = ScriptedEngine(words=2)
    with Store(tmp_path / "db") as store:
        make_plan([suite(haystack_case())], [BASE], ScriptedEngine(), memo=store)
        plan = make_plan([suite(haystack_case())], [BASE], engine, memo=store)

    assert plan == make_plan([suite(haystack_case())], [BASE], engine)
