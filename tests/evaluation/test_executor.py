"""Execution: nothing is done twice, nothing is lost, and what breaks is said."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from harness.backends import Completion, Request
from harness.common import InputError, MachineryError, Problem, Sampling, Variant
from harness.evaluation import Limits, make_plan
from harness.results import Completed, Event, Finished, Note, Outcome, Planned, Reused, Scored
from harness.scorers import DEFAULT_TAGS
from harness.store import Store
from tests.evaluation.engines import ScriptedEngine, StreamingEngine, last_user_turn
from tests.evaluation.worlds import BASE, TUNED, case, go, plan_of, suite


def outcomes(results: list) -> dict[str, str]:  # type: ignore[type-arg]
    """Outcome and reason by case."""
    return {r.case: f"{r.outcome} {r.reason}".strip() for r in results}


def test_each_trial_is_answered_scored_and_kept_in_order(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    cases = [case("b"), case("a", check={"contains": "z"})]
    plan = make_plan([suite(*cases)], [BASE, TUNED], engine)

    counts, results = go(tmp_path / "db", plan, engine)

    assert [(r.case, r.variant, str(r.outcome)) for r in results] == [
        ("b", "base", "pass"),
        ("b", "tuned", "pass"),
        ("a", "base", "fail"),
        ("a", "tuned", "fail"),
    ]
    assert results[0].responses == ("b",)
    assert (counts.generated, counts.cached, counts.tokens) == (4, 0, 4)


def test_the_observer_hears_of_everything_in_its_order(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    heard: list[Event] = []

    go(tmp_path / "db", plan_of(engine, case("a", "one", "two")), engine, heard.append)

    assert heard == [
        Planned(trials=1, requests=2),
        Completed(1, 1),
        Completed(1, 1),
        Scored("s", "a", "base", 0, Outcome.PASS),
        Finished(generated=2, cached=0),
    ]


def test_what_is_reported_is_on_disk(tmp_path: Path) -> None:
    """At each report another connection already sees the answers and the results."""
    engine = ScriptedEngine(pause=0.001)
    reported = {"answers": 0, "results": 0}

    def look(event: Event) -> None:
        reported["answers"] += event.count if isinstance(event, Completed) else 0
        reported["results"] += isinstance(event, Scored)
        with Store(tmp_path / "db") as other:
            keys = [request.key for request in list(engine.asked)]
            assert len(other.completions(keys)) >= reported["answers"]
            assert len(list(other.results("run"))) >= reported["results"]

    go(tmp_path / "db", plan_of(engine, *(case(f"c{n}") for n in range(20))), engine, look)

    assert reported == {"answers": 20, "results": 20}


def test_a_second_run_asks_the_engine_for_nothing(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    plan = plan_of(engine, case("a"), case("b", "one", "two"))
    _, first = go(tmp_path / "db", plan, engine)
    idle = ScriptedEngine()
    heard: list[Event] = []

    counts, second = go(tmp_path / "db", plan, idle, heard.append, run_id="again")

    assert idle.asked == []
    assert (counts.generated, counts.cached) == (0, 3)
    assert second == [replace(result, cached=True) for result in first]
    assert sum(event.count for event in heard if isinstance(event, Reused)) == 3


def test_more_is_asked_for_at_once_where_several_engines_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.evaluation.executor.WINDOW_TRIALS", 4)
    one, three = ScriptedEngine(), ScriptedEngine()
    three.engines = 3
    for name, engine in (("one", one), ("three", three)):
        go(tmp_path / name, plan_of(engine, *(case(f"c{n}") for n in range(20))), engine)

    assert one.portions == [4] * 5
    assert three.portions == [12, 8]


def test_one_changed_case_generates_one_answer(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    go(tmp_path / "db", plan_of(engine, case("a"), case("b")), engine)
    engine.asked.clear()

    go(tmp_path / "db", plan_of(engine, case("a"), case("b", "changed")), engine)

    assert [request.address.case for request in engine.asked] == ["b"]


def test_a_changed_check_scores_again_without_generating(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    go(tmp_path / "db", plan_of(engine, case("a")), engine)
    engine.asked.clear()

    _, results = go(tmp_path / "db", plan_of(engine, case("a", check={"contains": "z"})), engine)

    assert engine.asked == []
    assert results[0].outcome is Outcome.FAIL


@pytest.mark.parametrize(
    "changed",
    [
        {"weights": {"tuned": "retrained"}},
        {"version": "2"},
    ],
)
def test_a_changed_adapter_or_engine_never_sees_the_old_answers(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    plan = plan_of(ScriptedEngine(), case("a"), variants=(TUNED,))
    go(tmp_path / "db", plan, ScriptedEngine(weights={"tuned": "first"}))
    engine = ScriptedEngine(**{"weights": {"tuned": "first"}, **changed})  # type: ignore[arg-type]

    counts, _ = go(tmp_path / "db", plan, engine)

    assert counts.generated == 1


def test_repeats_are_answers_of_their_own_with_their_own_seeds(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    plan = plan_of(engine, case("a", repeats=3, sampling=Sampling(temperature=1, seed=7)))

    _, results = go(tmp_path / "db", plan, engine)

    assert [request.sampling.seed for request in engine.asked] == [7, 8, 9]
    assert [result.repeat for result in results] == [0, 1, 2]
    assert len({request.key for request in engine.asked}) == 3


def test_a_prompt_that_two_cases_share_is_generated_once(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    plan = plan_of(engine, case("a", "same"), case("b", "same"))

    counts, results = go(tmp_path / "db", plan, engine)

    assert (counts.generated, counts.cached) == (1, 1)
    assert [result.responses for result in results] == [("same",), ("same",)]


def test_recorded_answers_are_kept_apart_by_case(tmp_path: Path) -> None:
    engine = ScriptedEngine(
        lambda request: Completion(request.address.case, "stop"), addressed=True
    )
    plan = plan_of(engine, case("a", "same"), case("b", "same"))

    _, results = go(tmp_path / "db", plan, engine)

    assert [result.responses for result in results] == [("a",), ("b",)]


def test_later_turns_see_earlier_answers_without_their_reasoning(tmp_path: Path) -> None:
    def think(request: Request) -> Completion:
        return Completion(f"<think>hm</think>to {request.address.turn}", "stop")

    engine = ScriptedEngine(think)

    _, results = go(tmp_path / "db", plan_of(engine, case("a", "one", "two")), engine)

    assert [m.content for m in engine.asked[1].prompt.messages] == ["one", "to 0", "two"]
    assert results[0].responses == ("<think>hm</think>to 0", "<think>hm</think>to 1")
    assert [m["content"] for m in results[0].prompt] == ["one", "to 0", "two"]


def test_other_reasoning_tags_are_taken_out_and_are_part_of_the_signature(tmp_path: Path) -> None:
    def think(request: Request) -> Completion:
        return Completion(f"<plan>zzz</plan><think>hm</think>{request.address.turn}", "stop")

    engine = ScriptedEngine(think)
    plan = replace(plan_of(engine, case("a", "one", "two")), reasoning_tags=("plan",))

    _, (result,) = go(tmp_path / "db", plan, engine)
    _, (usual,) = go(tmp_path / "other", replace(plan, reasoning_tags=DEFAULT_TAGS), engine)

    assert [m.content for m in engine.asked[1].prompt.messages][1] == "<think>hm</think>0"
    assert (result.outcome, usual.outcome) == (Outcome.PASS, Outcome.FAIL)
    assert result.signature.environment == usual.signature.environment
    assert (len(result.signature.scoring), usual.signature.scoring) == (1, ())


def test_a_variant_overrides_system_prompt_and_sampling(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    own = Variant("own", "m", system="Mine.", sampling=Sampling(temperature=0.5))
    suites = [suite(case("a", system="Suite's.", sampling=Sampling(max_new_tokens=9)))]

    _, results = go(tmp_path / "db", make_plan(suites, [BASE, own], engine), engine)

    base, other = engine.asked
    assert base.prompt.messages[0].content == "Suite's."
    assert other.prompt.messages[0].content == "Mine."
    assert (other.sampling.temperature, other.sampling.max_new_tokens) == (0.5, 9)
    assert results[0].signature == results[1].signature
    assert results[0].case_hash == results[1].case_hash


def test_an_empty_system_prompt_is_sent_and_none_is_not(tmp_path: Path) -> None:
    engine = ScriptedEngine()

    go(tmp_path / "db", plan_of(engine, case("a", system=""), case("b")), engine)

    roles = [[m.role for m in request.prompt.messages] for request in engine.asked]
    assert roles == [["system", "user"], ["user"]]


def test_what_does_not_fit_is_skipped_and_an_error_where_it_is_required(tmp_path: Path) -> None:
    engine = ScriptedEngine(room=10)
    small = Sampling(max_new_tokens=6)
    cases = [
        case("fits", "one two three four", sampling=small),
        case("long", "one two three four five", sampling=small),
        case("must", "one two three four five", sampling=small, required=True),
        case("grows", "one two", "three", sampling=small),
    ]

    _, results = go(tmp_path / "db", plan_of(engine, *cases), engine)

    assert outcomes(results) == {
        "fits": "pass",
        "long": "skipped does not fit the context: 5 tokens of prompt + 6 for the answer > 10",
        "must": "error does not fit the context: 5 tokens of prompt + 6 for the answer > 10",
        "grows": "skipped turn 2 does not fit the context: "
        "5 tokens of prompt + 6 for the answer > 10",
    }


def test_one_broken_request_is_an_error_and_is_asked_again(tmp_path: Path) -> None:
    def fail(request: Request) -> Completion:
        if request.address.case == "b":
            return Completion("half", "error", error="out of memory at batch size 1")
        return last_user_turn(request)

    broken = ScriptedEngine(fail)
    plan = plan_of(broken, case("a"), case("b", "x", "y"))
    counts, results = go(tmp_path / "db", plan, broken)

    assert outcomes(results) == {
        "a": "pass",
        "b": "error no answer: out of memory at batch size 1",
    }
    assert counts.broken is None
    counts, results = go(tmp_path / "db", plan, ScriptedEngine())
    assert counts.generated == 2
    assert outcomes(results) == {"a": "pass", "b": "pass"}


def test_an_engine_that_forgets_a_request_makes_an_error(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda r: None if r.address.case == "b" else last_user_turn(r))

    _, results = go(tmp_path / "db", plan_of(engine, case("a"), case("b")), engine)

    assert outcomes(results) == {"a": "pass", "b": "error the engine gave no answer"}


def test_an_engine_that_breaks_ends_the_run_with_all_that_was_finished(tmp_path: Path) -> None:
    def fail(request: Request) -> Completion:
        if request.address.case == "b":
            raise RuntimeError("CUDA error: device-side assert")
        return last_user_turn(request)

    engine = ScriptedEngine(fail)
    plan = plan_of(engine, case("a"), case("b"), case("c"))
    heard: list[Event] = []

    counts, results = go(tmp_path / "db", plan, engine, heard.append)

    said = (
        "the engine 'scripted' broke\n"
        "  found: RuntimeError: CUDA error: device-side assert\n"
        "  hint: run the same command again: it goes on where this one stopped"
    )
    assert str(counts.broken) == said
    assert Note(said) in heard
    assert outcomes(results) == {
        "a": "pass",
        "b": "error the engine 'scripted' broke",
        "c": "error the engine 'scripted' broke",
    }
    healthy = ScriptedEngine()
    _, results = go(tmp_path / "db", plan, healthy)
    assert [request.address.case for request in healthy.asked] == ["b", "c"]
    assert {result.outcome for result in results} == {Outcome.PASS}


def test_a_wrong_model_is_the_users_error(tmp_path: Path) -> None:
    def refuse(request: Request) -> Completion:
        raise InputError(Problem("fixtures/nothing is no model"))

    engine = ScriptedEngine(refuse)

    with pytest.raises(InputError, match="fixtures/nothing is no model"):
        go(tmp_path / "db", plan_of(engine, case("a")), engine)


def test_an_engine_that_hangs_is_left(tmp_path: Path) -> None:
    engine = ScriptedEngine(hang_after=1)
    plan = plan_of(engine, case("a"), case("b"))

    counts, results = go(tmp_path / "db", plan, engine, limits=Limits(silence=0.3, grace=0.1))

    assert str(counts.broken) == (
        "the engine 'scripted' gave no sign of life for 0.3 s\n"
        "  hint: run the same command again: it goes on where this one stopped"
    )
    assert outcomes(results) == {
        "a": "pass",
        "b": "error the engine 'scripted' gave no sign of life for 0.3 s",
    }


def test_a_run_ends_at_its_time_limit_with_all_that_was_finished(tmp_path: Path) -> None:
    engine = ScriptedEngine(pause=0.02)
    plan = plan_of(engine, *(case(f"c{n}") for n in range(100)))

    counts, results = go(tmp_path / "db", plan, engine, limits=Limits(run=0.4, grace=0.1))

    assert str(counts.broken) == (
        "the run's time limit of 0.4 s is over\n"
        "  hint: run the same command again: it goes on where this one stopped"
    )
    assert len(results) == 100
    assert 0 < sum(result.outcome is Outcome.PASS for result in results) < 100
    assert counts.generated == sum(result.outcome is Outcome.PASS for result in results)


def test_an_interrupt_keeps_what_has_arrived(tmp_path: Path) -> None:
    """Ctrl-C while the engine works: answers that it hands over until it stops are stored too."""
    engine = ScriptedEngine(pause=0.01)
    plan = plan_of(engine, *(case(f"c{n}") for n in range(200)))

    def interrupt(event: Event) -> None:
        if isinstance(event, Completed) and len(engine.asked) > 10:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "db", plan, engine, interrupt)

    done = len(engine.asked)
    assert 10 < done < 200
    with Store(tmp_path / "db") as store:
        assert len(store.completions(request.key for request in engine.asked)) == done
    again = ScriptedEngine()
    counts, _ = go(tmp_path / "db", plan, again)
    assert (counts.generated, counts.cached) == (200 - done, done)


def test_only_selected_trials_run(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    plan = make_plan(
        [suite(case("a"), case("b"))],
        [BASE, TUNED],
        engine,
        select=lambda one, variant: (one.id, variant.name) == ("b", "tuned"),
    )

    _, results = go(tmp_path / "db", plan, engine)

    assert [(result.case, result.variant) for result in results] == [("b", "tuned")]


def test_a_check_that_breaks_is_an_error_and_the_run_goes_on(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    limits = Limits(check=0.2)
    cases = [case("slow", check="test_runaway"), case("a"), case("raises", check="test_raising")]

    _, results = go(tmp_path / "db", plan_of(engine, *cases), engine, limits=limits)

    assert outcomes(results) == {
        "slow": "error check 'test_runaway' took longer than 0.2 s and was ended",
        "a": "pass",
        "raises": "error check 'test_raising' broke: KeyError: 'total'",
    }


def test_a_broken_store_is_an_error_of_the_machinery(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    path = tmp_path / "db"

    def damage(event: Event) -> None:
        if isinstance(event, Planned):
            raise MachineryError(Problem("disk is gone"))

    with pytest.raises(MachineryError, match="disk is gone"):
        go(path, plan_of(engine, case("a")), engine, damage)


def test_a_damaged_answer_is_made_again_and_said(tmp_path: Path) -> None:
    path, engine = tmp_path / "db", ScriptedEngine()
    plan = plan_of(engine, case("a", "hello there"), case("b"))
    go(path, plan, engine)
    image = path.read_bytes()
    path.write_bytes(image.replace(b'"text":"hello there"', b'"text":"hullo there"'))
    heard: list[Event] = []

    counts, results = go(path, plan, engine, heard.append)

    assert (counts.generated, counts.cached) == (1, 1)
    assert results[0].responses == ("hello there",)
    assert Note("damaged answers in the store, generated again: 1") in heard


def test_many_trials_are_asked_in_portions_that_fit_in_memory(tmp_path: Path) -> None:
    many, long = ScriptedEngine(), ScriptedEngine()
    haystack = "word " * 900_000

    _, results = go(tmp_path / "a", plan_of(many, *(case(f"c{n}") for n in range(4100))), many)
    go(tmp_path / "b", plan_of(long, *(case(f"c{n}", f"{n} {haystack}") for n in range(3))), long)

    assert len(results) == 4100
    assert many.portions == [4096, 4]
    assert long.portions == [2, 1]


def test_an_engine_that_takes_more_while_it_works_never_runs_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.evaluation.executor.WINDOW_TRIALS", 8)
    engine, plain = StreamingEngine(), ScriptedEngine()
    cases = [case(f"c{n}", *(f"{n} {turn}" for turn in range(3 - n // 10))) for n in range(30)]
    engine.wanted, engine.total = 3, 60 - 8  # at least 4 trials are under way until the end
    over: list[str] = []
    under_way: list[int] = []

    def watch(event: Event) -> None:
        if isinstance(event, Scored):
            over.append(event.case)
            begun = {request.address.case for request in engine.asked}
            under_way.append(len(begun - set(over)))

    counts, results = go(tmp_path / "a", plan_of(engine, *cases), engine, watch)
    _, others = go(tmp_path / "b", plan_of(plain, *cases), plain)

    assert counts.broken is None and counts.generated == 60
    assert results == others
    assert engine.held <= 8 and max(under_way) < 8


def test_the_engine_is_at_work_while_stored_answers_are_scored(tmp_path: Path) -> None:
    begun = threading.Event()
    scored: list[tuple[str, bool]] = []

    def say(request: Request) -> Completion:
        begun.set()
        return last_user_turn(request)

    def watch(event: Event) -> None:
        if isinstance(event, Scored):
            scored.append((event.case, begun.wait(10)))

    first, again = ScriptedEngine(), ScriptedEngine(say)
    go(tmp_path / "s.db", plan_of(first, case("a"), case("b")), first)
    go(tmp_path / "s.db", plan_of(again, case("a"), case("b"), case("new")), again, watch)

    assert scored == [("a", True), ("b", True), ("new", True)]
    assert again.portions == [1]
