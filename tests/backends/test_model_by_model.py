"""Several models in one run: each in a process of its own, one after another."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.backends import BackendOptions, Completion, Request, open_backend
from harness.backends.workers import AnswerEvent, GenerateCommand, ModelByModel, served
from harness.common import InputError, MachineryError, Message, Variant
from harness.results import Event, Outcome, Waiting
from tests.backends.conftest import Ask
from tests.backends.test_workers import is_alive
from tests.evaluation.worlds import case, go, plan_of

pytestmark = pytest.mark.usefixtures("brittle")

ONE, TUNED, TWO = Variant("one", "m1"), Variant("tuned", "m1", adapter="a"), Variant("two", "m2")


def opened() -> ModelByModel:
    backend = open_backend("brittle", BackendOptions((ONE, TUNED, TWO)))
    assert isinstance(backend, ModelByModel)
    return backend


def asked(
    backend: ModelByModel, ask: Ask, *wanted: tuple[Variant, str]
) -> list[tuple[Request, Completion]]:
    requests = [
        ask(backend.prompt((Message("user", word),), variant), variant, case=f"{number}")
        for number, (variant, word) in enumerate(wanted)
    ]
    return list(backend.generate(requests))


def processes(answers: Sequence[tuple[Request, Completion]]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for request, completion in answers:
        found.setdefault(request.variant.model, set()).add(int(completion.text.split()[1]))
    return found


def test_variants_of_one_model_need_no_other_process(ask: Ask) -> None:
    backend = open_backend("brittle", BackendOptions((ONE, TUNED)))
    prompt = backend.prompt((Message("user", "who"),), ONE)

    _, completion = next(iter(backend.generate([ask(prompt, ONE)])))

    assert completion.text == f"m1 {os.getpid()} ['m1']"


def test_engines_that_hold_no_weights_take_all_models_at_once() -> None:
    assert open_backend("echo", BackendOptions((ONE, TWO))).name == "echo"


def test_each_model_has_a_process_of_its_own_that_knows_no_other(ask: Ask) -> None:
    backend = opened()

    answers = asked(backend, ask, (ONE, "who"), (TWO, "who"), (TUNED, "who"))

    found = processes(answers)
    assert len(found["m1"]) == len(found["m2"]) == 1 and found["m1"] != found["m2"]
    assert [c.text.partition("[")[2] for _, c in answers] == ["'m1']", "'m1']", "'m2']"]
    assert not is_alive(*found["m1"]) and is_alive(*found["m2"])
    backend.close()
    assert not is_alive(*found["m2"])


def test_the_model_in_memory_is_asked_first(ask: Ask) -> None:
    backend = opened()
    before = processes(asked(backend, ask, (ONE, "who"), (TWO, "who")))

    again = asked(backend, ask, (ONE, "who"), (TWO, "who"))

    backend.close()
    assert [request.variant.model for request, _ in again] == ["m2", "m1"]
    assert processes(again)["m2"] == before["m2"]


@pytest.mark.parametrize(("word", "family"), [("wrong", InputError), ("exit", MachineryError)])
def test_what_an_engine_raises_ends_it(
    ask: Ask, word: str, family: type[InputError] | type[MachineryError]
) -> None:
    backend = opened()

    with pytest.raises(family):
        asked(backend, ask, (ONE, word), (TWO, "who"))

    backend.close()


def test_notes_and_facts_are_those_of_all_engines(ask: Ask) -> None:
    backend = opened()

    asked(backend, ask, (ONE, "who"), (TUNED, "who"), (TWO, "who"))

    backend.close()
    assert backend.notes == (
        "2 models: one engine after another, each in a process of its own",
        "2 asked",
        "1 asked",
    )
    assert backend.execution() == {"asked": "0, then 2, then 1"}


def test_a_run_loads_each_model_once_however_many_turns(tmp_path: Path) -> None:
    backend = opened()
    cases = [case(f"c{number}", "who", "who", "who") for number in range(3)]
    heard: list[Event] = []

    plan = plan_of(backend, *cases, variants=(ONE, TUNED, TWO))
    _, results = go(tmp_path / "db", plan, backend, heard.append)

    backend.close()
    pids = {result.variant: {text.split()[1] for text in result.responses} for result in results}
    assert [len(pids[variant]) for variant in ("one", "tuned", "two")] == [1, 1, 1]
    assert pids["one"] == pids["tuned"] != pids["two"]
    told = [event.reason for event in heard if isinstance(event, Waiting)]
    assert told == ["loading m1", "loading m2"]


def test_a_run_keeps_what_was_answered_and_the_rest_are_errors(tmp_path: Path) -> None:
    backend = opened()
    plan = plan_of(backend, case("c0", "who"), case("c1", "die"), variants=(ONE, TWO))

    counts, results = go(tmp_path / "db", plan, backend)

    backend.close()
    outcomes = {(result.case, result.variant): result.outcome for result in results}
    assert outcomes == {
        ("c0", "one"): Outcome.PASS,
        ("c1", "one"): Outcome.ERROR,
        ("c0", "two"): Outcome.ERROR,
        ("c1", "two"): Outcome.ERROR,
    }
    assert counts.generated == 1
    assert "m1 was killed (SIGKILL" in str(counts.broken)


def test_an_engine_knows_of_all_answers_of_the_run_before_it_is_asked_for_the_first(
    ask: Ask,
) -> None:
    """Its start is planned for them: 20 of 10,000 made one that works on 8 at once."""
    options = BackendOptions((ONE, TUNED))
    backend = ModelByModel(open_backend("brittle", options), "brittle", options)
    prompt = backend.prompt((Message("user", "expected"),), ONE)

    answer, _ = served(backend, GenerateCommand((ask(prompt, ONE),), 10_000), lambda: None)
    backend.close()

    assert isinstance(answer, AnswerEvent)
    assert answer.completion.text == "10000"
